use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use sha2::{Digest, Sha256, Sha512};

use super::*;

/// An authority, and a server's certificate by it.
struct Made {
    authority: CertificateDer<'static>,
    server: CertificateDer<'static>,
}

fn made(names: &[&str]) -> Made {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "authority");
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2030, 1, 1);
    let server = params.signed_by(&own, &issuer).unwrap();
    Made { authority: authority.into(), server: server.into() }
}

const NOW: u64 = 1_700_000_000;

fn judge(proof: &Proof, made: &Made, roots: &Roots, now: u64) -> Result<(), Failure> {
    let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    proof.judge(&[made.server.clone(), made.authority.clone()], roots, algorithms, now)
}

fn known(made: &Made) -> Roots {
    let mut roots = Roots::empty();
    roots.add(made.authority.clone()).unwrap();
    roots
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn a_certificate_has_to_be_for_the_name_by_a_known_authority_and_in_its_time() {
    let (made, other) = (made(&["mx.x.test", "*.y.test"]), super::tests::made(&["mx.x.test"]));
    let roots = known(&made);
    let by = |name: &str, roots: &Roots, now| judge(&Proof::Names(names(&[name])), &made, roots, now);
    for good in ["mx.x.test", "MX.X.test.", "a.y.test", ".x.test", ".y.test", ".test"] {
        assert_eq!(by(good, &roots, NOW), Ok(()), "{good}");
    }
    for bad in ["x.test", "y.test", "a.b.y.test", "mx.x.test.evil", ".mx.x.test", "192.0.2.1", ""] {
        assert_eq!(by(bad, &roots, NOW), Err(Failure::WrongName), "{bad}");
    }
    assert_eq!(by("mx.x.test", &Roots::empty(), NOW), Err(Failure::NotTrusted));
    assert_eq!(by("mx.x.test", &known(&other), NOW), Err(Failure::NotTrusted));
    assert_eq!(by("mx.x.test", &roots, 2_000_000_000), Err(Failure::Expired));
    assert_eq!(by("mx.x.test", &roots, 1_000_000_000), Err(Failure::Expired));
}

#[test]
fn dane_means_the_servers_own_certificate_whatever_its_name_and_date_or_an_authority_of_it() {
    let made = made(&["mx.x.test"]);
    let key = crate::public_key(&made.server).unwrap();
    let tlsa =
        |usage, selector, matching, data: &[u8]| Tlsa { usage, selector, matching, data: data.to_vec() };
    let whole = Sha256::digest(&made.authority);
    let own = [
        tlsa(3, 0, 0, &made.server),
        tlsa(3, 0, 1, &Sha256::digest(&made.server)),
        tlsa(3, 1, 1, &Sha256::digest(&key)),
        tlsa(3, 1, 2, &Sha512::digest(&key)),
    ];
    let by = |records: &[Tlsa], name: &str, now| {
        judge(&Proof::Dane(records.to_vec(), names(&[name])), &made, &Roots::empty(), now)
    };
    for record in &own {
        assert!(record.is_usable());
        assert_eq!(by(std::slice::from_ref(record), "other.test", 2_000_000_000), Ok(()));
    }
    for record in [tlsa(2, 0, 1, &whole), tlsa(2, 0, 0, &made.authority)] {
        let record = std::slice::from_ref(&record);
        assert_eq!(by(record, "mx.x.test", NOW), Ok(()));
        assert_eq!(by(record, "other.test", NOW), Err(Failure::WrongName));
        assert_eq!(by(record, "mx.x.test", 2_000_000_000), Err(Failure::Expired));
    }
    assert_eq!(by(&[tlsa(3, 1, 1, &[0; 32])], "mx.x.test", NOW), Err(Failure::NotTlsa));
    assert_eq!(by(&[tlsa(3, 1, 1, &[0; 32]), own[2].clone()], "mx.x.test", NOW), Ok(()));
    for unusable in
        [tlsa(1, 1, 1, &[0; 32]), tlsa(3, 2, 1, &[0; 32]), tlsa(3, 1, 3, &[0; 32]), tlsa(3, 1, 1, &[0; 31])]
    {
        assert!(!unusable.is_usable());
    }
}

#[test]
fn a_fingerprint_may_be_of_the_certificate_or_its_key() {
    let made = made(&["mx.x.test"]);
    let prints = fingerprints(&made.server);
    assert_eq!(prints.len(), 2);
    for print in prints {
        assert_eq!(judge(&Proof::Fingerprints(vec![print]), &made, &Roots::empty(), NOW), Ok(()));
    }
    let wrong = Proof::Fingerprints(vec![[0; 32]]);
    assert_eq!(judge(&wrong, &made, &Roots::empty(), NOW), Err(Failure::NotPinned));
    let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW));
    for chain in [&[][..], &[CertificateDer::from(&b"garbage"[..])]] {
        assert!(wrong.judge(chain, &Roots::empty(), algorithms, now).is_err());
    }
}
