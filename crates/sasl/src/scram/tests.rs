use super::*;

fn keys(hash: Hash, salt: &str) -> Keys {
    Keys::new(hash, b"pencil", &BASE64.decode(salt.as_bytes()).unwrap())
}

/// An exchange whose second half of the nonce is the one of an example.
fn example(hash: Hash, first: &str, nonce: &str, salt: &str) -> (Exchange, Keys) {
    let keys = keys(hash, salt);
    let mut exchange = Exchange::new(First::parse(first.as_bytes()).unwrap(), &keys, [0; 16], b"");
    exchange.nonce = nonce.into();
    exchange.challenge = format!("r={nonce},s={salt},i=4096");
    (exchange, keys)
}

#[test]
fn the_example_of_rfc_5802_is_right() {
    let nonce = "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j";
    let (exchange, keys) =
        example(Hash::Sha1, "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL", nonce, "QSXCR+Q6sek8bf92");
    let last = format!("c=biws,r={nonce},p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
    assert_eq!(exchange.user(), "user");
    let answer = exchange.check(&keys, last.as_bytes()).unwrap();
    assert_eq!(answer, b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=");
}

#[test]
fn the_example_of_rfc_7677_is_right() {
    let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let (exchange, keys) =
        example(Hash::Sha256, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", nonce, "W22ZaJ0SNY7soEsUEjb6gQ==");
    let last = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    let answer = exchange.check(&keys, last.as_bytes()).unwrap();
    assert_eq!(answer, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    for (from, to) in [("c=biws", "c=eSws"), ("VQ=", "VA="), ("r=rOpr", "r=rOps"), (",p=", ",q=")] {
        assert_eq!(exchange.check(&keys, last.replace(from, to).as_bytes()), None, "{from}");
    }
    assert_eq!(exchange.check(&Keys::new(Hash::Sha256, b"other", &keys.salt), last.as_bytes()), None);
}

#[test]
fn names_are_unescaped_and_prepared() {
    let user = |name: &str| First::parse(format!("n,,n={name},r=x").as_bytes()).map(|first| first.user);
    assert_eq!(user("a=2Cb=3Dc@d").as_deref(), Some("a,b=c@d"));
    assert_eq!(user("I\u{ad}X").as_deref(), Some("IX"));
    for bad in ["", "a=2cb", "a=", "a=41", "\u{7}"] {
        assert_eq!(user(bad), None, "{bad:?}");
    }
}

// S38
#[test]
fn what_is_no_first_message_is_none() {
    for bad in [
        "",
        "n",
        "n,,",
        "n,,n=user",
        "n,,r=x,n=user",
        "n,,n=user,r=",
        "n,a=root,n=user,r=x",
        "z,,n=user,r=x",
        "n,,m=ext,n=user,r=x",
    ] {
        assert_eq!(First::parse(bad.as_bytes()), None, "{bad}");
    }
    assert!(First::parse(b"n,a=user,n=user,r=x").is_some() && First::parse(b"y,,n=user,r=x").is_some());
    assert_eq!(First::parse(format!("n,,n=user,r={}", "x".repeat(5000)).as_bytes()), None);
}

#[test]
fn each_exchange_has_a_challenge_of_its_own() {
    let keys = keys(Hash::Sha256, "QSXCR+Q6sek8bf92");
    let first = First::parse(b"n,,n=user,r=abc").unwrap();
    let challenge = |random| Exchange::new(first.clone(), &keys, random, b"").challenge().to_vec();
    assert_ne!(challenge([1; 16]), challenge([2; 16]));
    assert!(challenge([1; 16]).starts_with(b"r=abcAQEB"));
}

#[test]
fn keys_are_read_back_and_know_their_password() {
    for hash in [Hash::Sha1, Hash::Sha256] {
        let keys = keys(hash, "QSXCR+Q6sek8bf92");
        let read = Keys::parse(hash, keys.to_string().as_bytes()).unwrap();
        assert_eq!(read, keys);
        assert!(read.matches(b"pencil") && !read.matches(b"pen") && !read.matches(b""));
        assert_eq!(Hash::of(hash.mechanism()), Some(hash));
    }
    let kept = keys(Hash::Sha256, "QSXCR+Q6sek8bf92").to_string();
    for bad in [
        "",
        "4096",
        "0,a,b,c",
        &kept.replace("4096", "1000000001"),
        &format!("{kept},x"),
        &format!("+{kept}"),
    ] {
        assert_eq!(Keys::parse(Hash::Sha256, bad.as_bytes()), None, "{bad}");
    }
    assert_eq!(Keys::parse(Hash::Sha1, kept.as_bytes()), None);
}

proptest::proptest! {
    #[test]
    fn no_octets_make_an_exchange_fail_otherwise_than_by_saying_no(first: Vec<u8>, last: Vec<u8>) {
        let keys = Keys { hash: Hash::Sha1, iterations: 1, salt: vec![1], stored: vec![0; 20], server: vec![0; 20] };
        let first = First::parse(&first).or_else(|| First::parse(b"n,,n=user,r=x")).unwrap();
        proptest::prop_assert_eq!(Exchange::new(first, &keys, [0; 16], b"").check(&keys, &last), None);
    }
}

#[test]
fn a_bound_proof_is_good_for_its_channel_alone() {
    let keys = Keys::new(Hash::Sha256, b"pencil", b"salt");
    let first = First::parse(b"p=tls-exporter,,n=user,r=abc").unwrap();
    assert_eq!((first.binding.as_deref(), first.would_bind), (Some("tls-exporter"), false));
    assert!(First::parse(b"y,,n=user,r=abc").unwrap().would_bind);
    let exchange = Exchange::new(first, &keys, [9; 16], b"channel");
    assert!(exchange.is_bound());
    let challenge = String::from_utf8(exchange.challenge().to_vec()).unwrap();
    let nonce = challenge.split(',').next().unwrap();
    for (channel, good) in [(&b"channel"[..], true), (b"other", false), (b"", false)] {
        let bound = BASE64.encode(&[b"p=tls-exporter,,", channel].concat());
        let without = format!("c={bound},{nonce}");
        let heard = format!("n=user,r=abc,{challenge},{without}");
        let (proof, _) = Keys::prove(Hash::Sha256, b"pencil", b"salt", 4096, heard.as_bytes()).unwrap();
        let last = format!("{without},p={}", BASE64.encode(&proof));
        assert_eq!(exchange.check(&keys, last.as_bytes()).is_some(), good);
    }
}
