//! Every bit flipped and every cut made in a small log.
