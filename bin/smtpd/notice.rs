//! The letter that tells the postmaster of a user who has sent more than he may: once in an hour for each.

use submission::Submission;
use wire::Fate;

/// Puts the letter into the queue; `by` is this host, `to` the postmaster.
pub(crate) fn send(queue: &mut Submission, by: &str, to: &str, login: &str, token: &str, now: i64) {
    let told = queue.open(token).map_err(|error| error.to_string()).and_then(|()| {
        queue.write(letter(by, to, login, token, now).as_bytes());
        queue.sender(b"");
        queue.recipient(to.as_bytes());
        match queue.commit() {
            Fate::Done(_) => Ok(()),
            other => Err(other.text().to_string()),
        }
    });
    if let Err(cause) = told {
        sys::log!("smtpd {token}: warning: the postmaster could not be told: {cause}");
    }
}

fn letter(by: &str, to: &str, login: &str, token: &str, now: i64) -> String {
    let login: String = login.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect();
    format!(
        "Date: {date}\nFrom: Mail server <{to}>\nTo: <{to}>\nMessage-ID: <{token}.limit@{by}>\n\
         Subject: {login} sends more than control/sendlimits allows\nAuto-Submitted: auto-generated\n\n\
         {login} has sent more mail in an hour than control/sendlimits allows on {by}.\n\
         His further messages are accepted and held. Nothing is lost:\n\n\
         \x20 fulmar queue list --held           shows them\n\
         \x20 fulmar queue release ID...         sends them on\n\
         \x20 fulmar queue delete ID...          removes them\n\n\
         If this is not his doing, somebody else knows his password: fulmar user passwd {login}\n",
        date = message::date(now)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letter_has_a_header_and_no_line_of_a_strangers() {
        let letter = letter("mail.x.test", "postmaster@x.test", "ann@x\r\nBcc: all", "1.2", 0);
        let (header, body) = letter.split_once("\n\n").unwrap();
        assert!(
            header.lines().all(|line| line.contains(": "))
                && header.contains("Subject: ann@x??Bcc:?all sends")
        );
        assert!(body.contains("queue release") && !letter.contains('\r'));
    }
}
