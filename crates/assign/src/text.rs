//! `users/assign`: `=local:user:uid:gid:home:dash:ext:` for one name, `+prefix:user:uid:gid:home:dash:pre:`
//! for all that begin with it, a dot on the last line.

use control::Broken;

const FILE: &str = "users/assign";
/// Fields of a line, the last one empty behind the final colon.
const FIELDS: usize = 8;

/// The cdb of a text, as `qmail-newu` makes it. A mistake anywhere, or a missing dot at the end (the text
/// was cut), and there is none.
pub fn compile(text: &[u8]) -> Result<Vec<u8>, Broken> {
    let (mut records, mut ends) = (Vec::new(), Vec::new());
    for (index, line) in text.split(|octet| *octet == b'\n').enumerate() {
        match line {
            b"." => {
                ends.sort_unstable();
                ends.dedup();
                records.push((Vec::new(), ends));
                let cdb = cdb::build(records);
                return cdb.map_err(|error| Broken::new(FILE, error.to_string(), "split the text"));
            }
            b"" => {}
            line => {
                let (key, value) = record(line).map_err(|broken| broken.at(index + 1))?;
                // Whoever looks up a wildcard need only try where one could end.
                if key.last() != Some(&0) {
                    ends.extend(key.last().filter(|_| key.len() > 1));
                }
                records.push((key, value));
            }
        }
    }
    Err(Broken::new(FILE, "the line with a dot that ends the text is missing", "complete the text"))
}

fn record(line: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Broken> {
    let wrong = |problem: &str| {
        let cure = "write =local:user:uid:gid:home:dash:ext: or +prefix:user:uid:gid:home:dash:pre:";
        Broken::new(FILE, problem, cure)
    };
    let fields: Vec<&[u8]> = line.split(|octet| *octet == b':').collect();
    if fields.len() < FIELDS || line.contains(&0) {
        return Err(wrong("a line that does not have its eight fields"));
    }
    let (kind, name) = fields[0].split_first().ok_or_else(|| wrong("a line without a name"))?;
    let is_number = |field: &[u8]| str::from_utf8(field).is_ok_and(|text| text.parse::<u32>().is_ok());
    if !is_number(fields[2]) || !is_number(fields[3]) {
        return Err(wrong("a uid or gid that is no number"));
    }
    if !fields[4].starts_with(b"/") {
        return Err(wrong("a home that does not begin with /"));
    }
    let mut key = vec![b'!'];
    key.extend(name.to_ascii_lowercase());
    match kind {
        b'=' => key.push(0),
        b'+' => {}
        _ => return Err(wrong("a line that begins with neither = nor +")),
    }
    Ok((key, fields[1..7].join(&0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
        let bytes = compile(text.as_bytes()).unwrap();
        let cdb = cdb::Cdb::new(&bytes[..]).unwrap();
        cdb.records().map(|record| record.map(|r| (r.key, r.value)).unwrap()).collect()
    }

    #[test]
    fn the_table_is_that_of_qmail_newu() {
        let text = "=Root:alice:500:501:/home/alice:::\n+al-:alice:500:501:/home/alice:-::\n+:alias:7:8:/a:-::\n.\nrest";
        assert_eq!(
            records(text),
            [
                (b"!root\0".to_vec(), b"alice\x00500\x00501\0/home/alice\0\0".to_vec()),
                (b"!al-".to_vec(), b"alice\x00500\x00501\0/home/alice\0-\0".to_vec()),
                (b"!".to_vec(), b"alias\x007\x008\0/a\0-\0".to_vec()),
                (b"".to_vec(), b"-".to_vec()),
            ]
        );
    }

    #[test]
    fn what_is_cut_or_garbled_makes_no_table() {
        for text in [
            "",
            "=a:b:1:2:/h:::\n",
            "=a:b:1:2:/h::\n.\n",
            "a:b:1:2:/h:::\n.\n",
            "=a:b:x:2:/h:::\n.\n",
            "=a:b:1:-2:/h:::\n.\n",
            "=a:b:1:2:h:::\n.\n",
            "=a\0:b:1:2:/h:::\n.\n",
        ] {
            assert!(compile(text.as_bytes()).is_err(), "{text:?}");
        }
        let broken = compile(b"=a:b:1:2:/h:::\n\n=c:d\n.\n").unwrap_err();
        assert!(broken.to_string().contains('3'), "{broken}");
    }
}
