//! What a person types: times, spans of time, networks, endpoints, expressions. Whatever is understood is printed so that it is
//! understood again, and as the same.
#![no_main]

use ctrecorder::query::who::{Peer, parse_endpoint};
use ctrecorder::query::{Clock, Filter, Where, parse_duration, parse_network};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let clock = Clock::new(None);
    let _ = (clock.read(text), parse_duration(text), parse_network(text));
    let _ = (parse_endpoint(text), Peer::parse(text), clock.read_as_local(text), clock.read_as_utc(text));
    match Where::parse(text, &clock) {
        Ok(parsed) => {
            let printed = parsed.filter.to_string();
            assert_eq!(printed.parse::<Filter>().as_ref(), Ok(&parsed.filter), "{printed}");
        }
        Err(error) => assert!(text.get(error.at.clone()).is_some(), "{error}"),
    }
});
