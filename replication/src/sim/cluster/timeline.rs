//! What happened, as a picture: one page of HTML that needs nothing else.
//!
//! ```text
//!  faults   |      x         x                          x
//!  node 0   |[primary 5461 slots, epoch 1]   [off]   [replica of 1      ]
//!  node 1   |[replica of 0         ]  ^[primary 5461 slots, epoch 4     ]
//!  client 0 | [SET] [GET]  [SET ...?   ]
//! ```
//!
//! Every bar and mark tells more when it is pointed at; the whole trace stands below. The page is made of nothing but what was written
//! down, in its order: the same seed gives the same page, to the byte. All texts are escaped.

use std::fmt::Write;

/// What a node is, for a while.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Role {
    Off,
    Paused,
    Primary { slots: usize, epoch: u64, serves: bool },
    Replica { of: Option<usize> },
}

/// How an operation ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    Answered,
    Unknown,
    NotDone,
}

/// A bar of a client's row.
#[derive(Debug)]
struct Bar {
    client: usize,
    from_ms: i64,
    until_ms: i64,
    text: String,
    ending: Ending,
}

/// A mark in a node's row, or in that of faults.
#[derive(Debug)]
struct Mark {
    at_ms: i64,
    node: Option<usize>,
    text: String,
}

/// What the picture is made of.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// When each node began to be what.
    roles: Vec<Vec<(i64, Role)>>,
    marks: Vec<Mark>,
    bars: Vec<Bar>,
}

impl Timeline {
    /// A node is this from here on.
    pub(super) fn turn(&mut self, node: usize, at_ms: i64, role: Role) {
        if self.roles.len() <= node {
            self.roles.resize_with(node + 1, Vec::new);
        }
        if self.roles[node].last().is_none_or(|(_, last)| *last != role) {
            self.roles[node].push((at_ms, role));
        }
    }

    /// Something happened to a node, or, without one, to the whole.
    pub(super) fn mark(&mut self, at_ms: i64, node: Option<usize>, text: String) {
        self.marks.push(Mark { at_ms, node, text });
    }

    /// An operation of a client is over.
    pub(super) fn operation(&mut self, client: usize, from_ms: i64, until_ms: i64, text: String, ending: Ending) {
        self.bars.push(Bar { client, from_ms, until_ms, text, ending });
    }

    /// The page. `end_ms` is when it ended; `what` stands above it.
    pub(super) fn page(&self, title: &str, what: &str, end_ms: i64, trace: &str) -> String {
        let mut page = String::new();
        let clients = self.clients();
        let rows = 1 + self.roles.len() + clients.len();
        let (width, height) = (x(end_ms) + MARGIN, rows as i64 * ROW + AXIS);
        let _ = write!(
            page,
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{}</title>\n",
            escape(title)
        );
        let _ = write!(page, "<style>{STYLE}</style>\n<h1>{}</h1>\n<p>{}</p>\n{LEGEND}\n", escape(title), escape(what));
        let _ = write!(page, "<div class=\"view\"><div class=\"names\" style=\"height:{height}px\">");
        let names = std::iter::once("faults".to_owned())
            .chain((0..self.roles.len()).map(|node| format!("node {node}")))
            .chain(clients.iter().map(|client| format!("client {client}")));
        for name in names {
            let _ = write!(page, "<b>{name}</b>");
        }
        let _ = writeln!(page, "</div><div class=\"scroll\"><svg width=\"{width}\" height=\"{height}\">");
        self.draw_axis(&mut page, end_ms, height);
        for (node, roles) in self.roles.iter().enumerate() {
            draw_roles(&mut page, roles, 1 + node, end_ms);
        }
        for mark in &self.marks {
            draw_mark(&mut page, mark);
        }
        for bar in &self.bars {
            let at = clients.binary_search(&bar.client).unwrap_or_default();
            draw_bar(&mut page, bar, 1 + self.roles.len() + at);
        }
        let _ = write!(page, "</svg></div></div>\n<h2>Trace</h2>\n<pre>{}</pre>\n</html>\n", escape(trace));
        page
    }

    fn clients(&self) -> Vec<usize> {
        let mut clients: Vec<usize> = self.bars.iter().map(|bar| bar.client).collect();
        clients.sort_unstable();
        clients.dedup();
        clients
    }

    fn draw_axis(&self, page: &mut String, end_ms: i64, height: i64) {
        let mut at_ms = 0;
        while at_ms <= end_ms {
            let (at, bottom) = (x(at_ms), height - AXIS);
            let _ = write!(page, "<line class=\"grid\" x1=\"{at}\" x2=\"{at}\" y1=\"0\" y2=\"{bottom}\"/>");
            let _ = writeln!(page, "<text class=\"time\" x=\"{at}\" y=\"{}\">{} s</text>", height - 6, at_ms / 1000);
            at_ms += 1000;
        }
    }
}

fn draw_roles(page: &mut String, roles: &[(i64, Role)], row: usize, end_ms: i64) {
    let ends = roles.iter().skip(1).map(|(at_ms, _)| *at_ms).chain([end_ms]);
    for ((from_ms, role), until_ms) in roles.iter().zip(ends) {
        let (class, text) = match role {
            Role::Off => ("off", "off".to_owned()),
            Role::Paused => ("paused", "paused".to_owned()),
            Role::Primary { slots, epoch, serves: true } => {
                ("primary", format!("primary, {slots} slots, epoch {epoch}"))
            }
            Role::Primary { slots, epoch, serves: false } => {
                ("silent", format!("primary that serves nothing, {slots} slots, epoch {epoch}"))
            }
            Role::Replica { of: Some(primary) } => ("replica", format!("replica of {primary}")),
            Role::Replica { of: None } => ("replica", "replica".to_owned()),
        };
        let times = format!("{from_ms} to {until_ms} ms: {text}");
        draw_box(page, class, row, (*from_ms, until_ms), &times, &text);
    }
}

fn draw_bar(page: &mut String, bar: &Bar, row: usize) {
    let class = match bar.ending {
        Ending::Answered => "answered",
        Ending::Unknown => "unknown",
        Ending::NotDone => "undone",
    };
    let times = format!("{} to {} ms: {}", bar.from_ms, bar.until_ms, bar.text);
    draw_box(page, class, row, (bar.from_ms, bar.until_ms), &times, &bar.text);
}

/// A box with a text in it, as far as that fits, and one that shows when it is pointed at.
fn draw_box(page: &mut String, class: &str, row: usize, (from_ms, until_ms): (i64, i64), title: &str, text: &str) {
    let (left, width, top) = (x(from_ms), (x(until_ms) - x(from_ms)).max(2), row as i64 * ROW);
    let _ = write!(page, "<g><title>{}</title>", escape(title));
    let _ = write!(
        page,
        "<rect class=\"{class}\" x=\"{left}\" y=\"{}\" width=\"{width}\" height=\"{}\"/>",
        top + 2,
        ROW - 4
    );
    let fits = usize::try_from((width - 6) / LETTER).unwrap_or(0);
    if fits > 2 {
        let shown: String = text.chars().take(fits).collect();
        let _ = write!(page, "<text x=\"{}\" y=\"{}\">{}</text>", left + 3, top + ROW - 8, escape(&shown));
    }
    page.push_str("</g>\n");
}

fn draw_mark(page: &mut String, mark: &Mark) {
    let (at, top) = (x(mark.at_ms), mark.node.map_or(0, |node| 1 + node as i64) * ROW);
    let (class, bottom) = if mark.node.is_some() { ("event", top + ROW - 3) } else { ("fault", top + ROW - 4) };
    let _ = writeln!(
        page,
        "<path class=\"{class}\" d=\"M{at} {top}l5 {}h-10z\"><title>{} ms: {}</title></path>",
        (bottom - top) / 2,
        mark.at_ms,
        escape(&mark.text)
    );
}

/// Where a moment is.
fn x(at_ms: i64) -> i64 {
    at_ms / MS_PER_PIXEL
}

/// A text as HTML shows it, in content and in attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // What a page may not hold, and what would turn its lines around.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escaped.push('\u{fffd}'),
            control if control.is_control() && control != '\n' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

const MS_PER_PIXEL: i64 = 5;
const ROW: i64 = 26;
const AXIS: i64 = 22;
const MARGIN: i64 = 40;
const LETTER: i64 = 7;

const LEGEND: &str = "<p class=\"legend\"><i class=\"primary\"></i>primary <i class=\"silent\"></i>primary that serves nothing \
<i class=\"replica\"></i>replica <i class=\"paused\"></i>paused <i class=\"off\"></i>off <i class=\"answered\"></i>answered \
<i class=\"unknown\"></i>outcome unknown <i class=\"undone\"></i>not done</p>";

const STYLE: &str = "body{font:14px/1.4 system-ui,sans-serif;margin:1em;background:#fff;color:#222}h1{font-size:1.2em}\
.view{display:flex;border:1px solid #ccc}.names{flex:none;width:76px}.names b{display:block;height:26px;line-height:26px;\
padding-left:6px;font-weight:600}.scroll{overflow-x:auto}svg{display:block}svg text{font:12px system-ui,sans-serif;fill:#111}\
.time{fill:#666}.grid{stroke:#ddd}.primary{fill:#7cc47f;background:#7cc47f}.silent{fill:#d9ead3;background:#d9ead3}\
.replica{fill:#8fb8de;background:#8fb8de}.paused{fill:#c9b6e4;background:#c9b6e4}.off{fill:#bbb;background:#bbb}\
.answered{fill:#b7e1cd;background:#b7e1cd}.unknown{fill:#f6b26b;background:#f6b26b}.undone{fill:#e6e6e6;background:#e6e6e6}\
.fault{fill:#c00}.event{fill:#333}.legend i{display:inline-block;width:1em;height:1em;margin:0 .3em 0 1em;vertical-align:-2px}\
pre{overflow-x:auto;background:#f6f6f6;padding:.6em;color:#222}";

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Timeline {
        let mut timeline = Timeline::default();
        timeline.turn(0, 0, Role::Primary { slots: 5461, epoch: 1, serves: true });
        timeline.turn(0, 10, Role::Primary { slots: 5461, epoch: 1, serves: true });
        timeline.turn(1, 0, Role::Replica { of: Some(0) });
        timeline.turn(0, 900, Role::Off);
        timeline.mark(900, None, "0 is <killed>".to_owned());
        timeline.mark(2100, Some(1), "leads".to_owned());
        timeline.operation(7, 100, 2500, "SET k \"</svg><script>\"".to_owned(), Ending::Unknown);
        timeline
    }

    #[test]
    fn a_page_holds_every_row_and_needs_nothing_else() {
        let page = sample().page("seed 7", "it failed", 3000, "   0 begins\n");
        for shown in
            ["seed 7", "it failed", "node 0", "node 1", "client 7", "replica of 0", "0 begins", "class=\"off\""]
        {
            assert!(page.contains(shown), "{shown} is not in {page}");
        }
        assert_eq!(page.matches("primary, 5461 slots, epoch 1</title>").count(), 1, "a role that goes on is one box");
        for foreign in ["http://", "https://", "src=", "href=", "@import", "url("] {
            assert!(!page.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn texts_are_shown_and_not_run() {
        let page = sample().page("<b>&", "'\"", 3000, "<script>alert(1)</script>\u{7}\u{1b}[31m");
        assert!(!page.contains("<script") && !page.contains("<killed>") && !page.contains('\u{1b}'));
        assert!(page.contains("&lt;script&gt;") && page.contains("&lt;b&gt;&amp;") && page.contains("&#39;&quot;"));
        assert_eq!(page.matches("</svg>").count(), 1);
    }
}
