//! Every binary of this package: cargo builds it once per target, and its name says which.
#![no_main]

mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::run(env!("CARGO_BIN_NAME"), data));
