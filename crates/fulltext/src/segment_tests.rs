use super::*;

fn built(texts: &[(u32, &str)]) -> Vec<u8> {
    let mut builder = Builder::new();
    for (uid, text) in texts {
        let mut terms = Terms::new();
        terms.take(text);
        builder.add(*uid, &terms);
    }
    builder.finish(7)
}

fn search(file: &[u8], pattern: &str) -> Option<Vec<u32>> {
    by_patterns(file, &[pattern.as_bytes().to_vec()])
}

#[test]
fn words_are_found_by_their_beginning_end_middle_and_whole() {
    let file = built(&[(3, "apple pie"), (5, "pineapple"), (9, "applepie and more")]);
    assert_eq!(search(&file, "apple").unwrap(), [3, 5, 9]);
    assert_eq!(search(&file, "\napple").unwrap(), [3, 9]);
    assert_eq!(search(&file, "apple\n").unwrap(), [3, 5]);
    assert_eq!(search(&file, "\napple\n").unwrap(), [3]);
    assert_eq!(search(&file, "pear").unwrap(), [0; 0]);
}

#[test]
fn words_in_many_blocks_are_found() {
    let texts: Vec<(u32, String)> = (1..2000).map(|n| (n, format!("w{n} x{} all", n % 7))).collect();
    let texts: Vec<(u32, &str)> = texts.iter().map(|(uid, text)| (*uid, text.as_str())).collect();
    let file = built(&texts);
    for n in [1, 5, 600, 1999] {
        assert_eq!(search(&file, &format!("\nw{n}\n")).unwrap(), [n]);
    }
    assert_eq!(search(&file, "x3").unwrap().len(), texts.iter().filter(|(uid, _)| uid % 7 == 3).count());
    assert_eq!(search(&file, "all").unwrap().len(), 1999);
    assert_eq!(search(&file, "w199").unwrap(), [199].into_iter().chain(1990..2000).collect::<Vec<_>>());
}

#[test]
fn a_file_with_any_octet_changed_or_cut_anywhere_gives_nothing_wrong() {
    let file = built(&[(3, "apple pie"), (5, "pear")]);
    for at in 0..file.len() {
        let mut broken = file.clone();
        broken[at] ^= 0x41;
        assert!(matches!(search(&broken, "apple").as_deref(), None | Some([3])), "{at}");
        assert!(search(&file[..at], "apple").is_none(), "{at}");
    }
}

#[test]
fn segments_are_joined_without_those_that_are_gone() {
    let parts = [built(&[(1, "a one"), (2, "a two")]), built(&[(2, "a two"), (3, "b three")])];
    let mut builder = Builder::new();
    for part in &parts {
        let head = Sizes::read(part).unwrap().head() as usize;
        let segment = Segment::read(part[..head].to_vec()).unwrap();
        builder.absorb(&segment, &part[head..], &|uid| uid != 1).unwrap();
    }
    let file = builder.finish(7);
    assert_eq!(search(&file, "t").unwrap(), [2, 3]);
    assert_eq!(search(&file, "\na\n").unwrap(), [2]);
    assert_eq!(search(&file, "one").unwrap(), [0; 0]);
}

/// Seeds for the fuzz target are made by this: `SEEDS=folder cargo test -p fulltext seeds`.
#[test]
fn seeds_are_files_that_are_read() {
    let long = "x".repeat(200);
    for (name, texts) in [
        ("two", &[(3, "apple pie"), (5, "hello world")][..]),
        ("one", &[(1, "台北 apple")]),
        ("long", &[(7, &long)]),
    ] {
        let file = built(texts);
        assert_eq!(examine(&file, " ").unwrap().len(), texts.len());
        if let Some(folder) = std::env::var_os("SEEDS") {
            std::fs::write(std::path::Path::new(&folder).join(name), file).unwrap();
        }
    }
}
