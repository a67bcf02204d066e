//! Sockets that wait for clients: which addresses, and what to say when one cannot be had.

use crate::settings::{Values, os_message};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Why the node cannot listen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    /// The address is no address and resolves to none.
    #[error("Could not create server TCP listening socket {host}:{port}: {}", os_message(.error))]
    Resolve { host: String, port: u16, error: io::Error },
    /// The system refused.
    #[error("Could not create server TCP listening socket {address}: bind: {}{}", os_message(.error), hint(*.address, .error))]
    Bind { address: SocketAddr, error: io::Error },
    /// The Unix socket could not be made.
    #[error("Failed opening Unix socket {}: {}", .path.display(), os_message(.error))]
    Unix { path: PathBuf, error: io::Error },
    /// Neither a port nor a Unix socket.
    #[error("Configured to not listen anywhere, exiting.")]
    Nowhere,
}

/// What a person can do about it.
fn hint(address: SocketAddr, error: &io::Error) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(". Port {port} is taken by another process: stop it, or choose another port with --port")
        }
        io::ErrorKind::PermissionDenied => {
            format!(". Port {port} is reserved for the administrator: choose one above 1023 with --port")
        }
        io::ErrorKind::AddrNotAvailable => {
            ". This machine has no such address: correct --bind, or put a minus sign before an address that may be missing"
                .to_owned()
        }
        _ => String::new(),
    }
}

/// The TCP sockets that `bind` and `port` ask for. None if the port is 0.
pub(crate) fn tcp_listeners(values: &Values) -> Result<Vec<TcpListener>, ListenError> {
    tcp_listeners_at(values, u16::try_from(values.number("port")).unwrap_or(0))
}

/// The TCP sockets that `bind` asks for, on this port. None if that is 0.
pub(crate) fn tcp_listeners_at(values: &Values, port: u16) -> Result<Vec<TcpListener>, ListenError> {
    let backlog = i32::try_from(values.number("tcp-backlog")).unwrap_or(i32::MAX);
    let mut listeners = Vec::new();
    if port == 0 {
        return Ok(listeners);
    }
    for word in values.words("bind").iter().filter(|word| !word.is_empty()) {
        let word = String::from_utf8_lossy(word);
        let (host, is_optional) = match word.strip_prefix('-') {
            Some(host) => (host, true),
            None => (&*word, false),
        };
        let address = match resolve(host, port) {
            Ok(address) => address,
            Err(_) if is_optional => continue,
            Err(error) => return Err(ListenError::Resolve { host: host.to_owned(), port, error }),
        };
        match listen_tcp(address, backlog) {
            Ok(listener) => listeners.push(listener),
            Err(error) if is_optional && is_missing(&error) => {}
            Err(error) => return Err(ListenError::Bind { address, error }),
        }
    }
    Ok(listeners)
}

/// The Unix socket that `unixsocket` asks for. A socket file that an earlier process left there is replaced.
pub(crate) fn unix_listener(values: &Values) -> Result<Option<(UnixListener, PathBuf)>, ListenError> {
    let Some(path) = values.path("unixsocket") else { return Ok(None) };
    let backlog = i32::try_from(values.number("tcp-backlog")).unwrap_or(i32::MAX);
    match listen_unix(&path, values.number("unixsocketperm") as u32, backlog) {
        Ok(listener) => Ok(Some((listener, path))),
        Err(error) => Err(ListenError::Unix { path, error }),
    }
}

fn resolve(host: &str, port: u16) -> io::Result<SocketAddr> {
    match host {
        "*" => return Ok((IpAddr::V4(Ipv4Addr::UNSPECIFIED), port).into()),
        "::*" => return Ok((IpAddr::V6(Ipv6Addr::UNSPECIFIED), port).into()),
        _ => {}
    }
    let mut addresses = (host, port).to_socket_addrs()?;
    addresses.next().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

fn listen_tcp(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

fn listen_unix(path: &Path, mode: u32, backlog: i32) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    // Whatever stood there: if it cannot be removed, binding says why.
    let _ = std::fs::remove_file(path);
    socket.bind(&SockAddr::unix(path)?)?;
    if mode != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Whether the error says that this machine lacks the address or its whole family.
fn is_missing(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let missing = [
        Errno::ADDRNOTAVAIL,
        Errno::AFNOSUPPORT,
        Errno::PROTONOSUPPORT,
        Errno::PFNOSUPPORT,
        Errno::SOCKTNOSUPPORT,
        Errno::NOPROTOOPT,
    ];
    error.raw_os_error().is_some_and(|code| missing.iter().any(|errno| errno.raw_os_error() == code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{DiskFiles, load};

    fn values(text: &str) -> Values {
        let loaded = load(text.as_bytes(), &DiskFiles);
        assert!(loaded.problems.is_empty());
        loaded.values
    }

    #[test]
    fn port_zero_listens_nowhere() {
        assert!(tcp_listeners(&values("port 0")).unwrap().is_empty());
    }

    #[test]
    fn a_taken_port_is_named_with_advice() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = tcp_listeners(&values(&format!("port {port}\nbind 127.0.0.1"))).unwrap_err().to_string();
        assert!(error.contains(&format!("127.0.0.1:{port}: bind: Address already in use. Port {port}")), "{error}");
        assert!(error.contains("--port"));
    }

    #[test]
    fn an_address_of_another_machine_may_be_optional() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text = format!("port {free}\nbind -192.0.2.1 127.0.0.1 -no.such.host.invalid");
        assert_eq!(tcp_listeners(&values(&text)).unwrap().len(), 1);
        let error = tcp_listeners(&values(&format!("port {free}\nbind 192.0.2.1"))).unwrap_err();
        assert!(error.to_string().contains("no such address"), "{error}");
    }

    #[test]
    fn stars_mean_every_address_of_a_family() {
        assert_eq!(resolve("*", 5).unwrap(), "0.0.0.0:5".parse().unwrap());
        assert_eq!(resolve("::*", 5).unwrap(), "[::]:5".parse().unwrap());
        assert_eq!(resolve("::1", 5).unwrap(), "[::1]:5".parse().unwrap());
    }

    #[test]
    fn a_unix_socket_gets_its_permissions_and_replaces_an_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.sock");
        let text = format!("unixsocket {}\nunixsocketperm 700", path.display());
        for _ in 0..2 {
            let (_listener, path) = unix_listener(&values(&text)).unwrap().unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        }
        assert!(unix_listener(&values("")).unwrap().is_none());
    }
}
