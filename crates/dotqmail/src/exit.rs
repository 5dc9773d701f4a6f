//! What a program of a .qmail file says by its exit code.

/// What follows from a program's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on with the next line.
    GoOn,
    /// All is done; the lines below are not read, the forwards above are sent.
    Enough,
    /// The mail can't be delivered, and never will.
    Never,
    /// Not now.
    Later,
}

impl Verdict {
    /// By an exit code. What is none of qmail's codes is a slip that may be mended: later.
    pub fn of(code: i32) -> Verdict {
        match code {
            0 => Verdict::GoOn,
            99 => Verdict::Enough,
            // 64 to 112: sysexits(3) for usage, bad data, internal error, no permission and the like.
            100 | 64 | 65 | 70 | 76 | 77 | 78 | 112 => Verdict::Never,
            _ => Verdict::Later,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_mean_what_they_mean_to_qmail() {
        // D04
        for code in -1..=255 {
            let expect = match code {
                0 => Verdict::GoOn,
                99 => Verdict::Enough,
                64 | 65 | 70 | 76 | 77 | 78 | 100 | 112 => Verdict::Never,
                _ => Verdict::Later,
            };
            assert_eq!(Verdict::of(code), expect, "{code}");
        }
    }
}
