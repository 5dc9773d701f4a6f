//! Values of fields: addresses, dates, words, identifiers.

use mime::Listed;

pub(crate) fn run(data: &[u8]) {
    let list = mime::addresses(data);
    let count = |what: &dyn Fn(&Listed) -> bool| list.iter().filter(|it| what(it)).count();
    let starts = count(&|it| matches!(it, Listed::GroupStart(_)));
    assert_eq!(starts, count(&|it| matches!(it, Listed::GroupEnd)), "each group ends");
    for listed in &list {
        if let Listed::Mailbox { display, route, local, domain } = listed {
            for word in [display.as_ref(), route.as_ref(), Some(local), Some(domain)].into_iter().flatten() {
                assert!(!word.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
            }
        }
    }
    if let Some(date) = mime::date(data) {
        assert!((date.seconds - date.local_day * 86_400).abs() <= 5 * 86_400);
    }
    let words = mime::decode_words(data);
    assert!(!words.contains('\r') || data.contains(&b'=') || words.len() <= 3 * data.len());
    assert!(mime::message_ids(data).iter().all(|id| !id.is_empty()));
    let (charset, text) = data.split_at(data.len().min(10));
    let charset = String::from_utf8_lossy(charset);
    assert!(mime::to_utf8(text, &charset).len() <= 4 * text.len() + 3);
}
