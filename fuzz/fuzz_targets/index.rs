#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| maou_fuzz::INDEX(data));
