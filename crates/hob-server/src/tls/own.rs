//! A certificate that nobody but this machine vouches for: made once, kept with its key, known by its fingerprint.

use super::TlsError;
use super::der::{bits, integer, object, octets, sequence, tagged};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use std::net::IpAddr;

/// How long it holds; whoever compares fingerprints once does not want to do it again soon.
const LIFE_DAYS: i64 = 3650;

/// What is called what in the world's register.
const ECDSA_WITH_SHA256: &[u32] = &[1, 2, 840, 10045, 4, 3, 2];
const EC_PUBLIC_KEY: &[u32] = &[1, 2, 840, 10045, 2, 1];
const P256: &[u32] = &[1, 2, 840, 10045, 3, 1, 7];
const COMMON_NAME: &[u32] = &[2, 5, 4, 3];
const KEY_USAGE: &[u32] = &[2, 5, 29, 15];
const ALTERNATIVE_NAMES: &[u32] = &[2, 5, 29, 17];
const BASIC_CONSTRAINTS: &[u32] = &[2, 5, 29, 19];
const EXTENDED_KEY_USAGE: &[u32] = &[2, 5, 29, 37];
const SERVER_AUTH: &[u32] = &[1, 3, 6, 1, 5, 5, 7, 3, 1];

/// A certificate and its key.
pub struct Own {
    /// DER.
    pub certificate: Vec<u8>,
    /// PKCS #8.
    pub key: Vec<u8>,
}

/// Makes a certificate for these names and addresses. `now` is in seconds since 1970.
///
/// # Errors
/// The system gives no random numbers.
pub fn make(names: &[String], addresses: &[IpAddr], now: i64) -> Result<Own, TlsError> {
    let random = SystemRandom::new();
    let no_random = |_| TlsError::Random;
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).map_err(no_random)?;
    let key = key.as_ref().to_vec();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key, &random)
        .map_err(|_| TlsError::Random)?;
    let mut serial = [0; 16];
    random.fill(&mut serial).map_err(no_random)?;
    // Not negative, and not zero.
    serial[0] = serial[0] & 0x7f | 0x40;
    let algorithm = sequence(&[object(ECDSA_WITH_SHA256)]);
    let name =
        sequence(&[tagged(0x31, &sequence(&[object(COMMON_NAME), tagged(12, b"Hob on this machine")]))]);
    let public =
        sequence(&[sequence(&[object(EC_PUBLIC_KEY), object(P256)]), bits(pair.public_key().as_ref())]);
    let to_be_signed = sequence(&[
        tagged(0xa0, &integer(&[2])),
        integer(&serial),
        algorithm.clone(),
        name.clone(),
        sequence(&[time(now - 86_400), time(now + LIFE_DAYS * 86_400)]),
        name,
        public,
        tagged(0xa3, &extensions(names, addresses)),
    ]);
    let signature = pair.sign(&random, &to_be_signed).map_err(no_random)?;
    Ok(Own { certificate: sequence(&[to_be_signed, algorithm, bits(signature.as_ref())]), key })
}

fn extensions(names: &[String], addresses: &[IpAddr]) -> Vec<u8> {
    let critical = || tagged(1, &[0xff]);
    let names = names.iter().map(|name| tagged(0x82, name.as_bytes()));
    let addresses = addresses.iter().map(|address| match address {
        IpAddr::V4(four) => tagged(0x87, &four.octets()),
        IpAddr::V6(six) => tagged(0x87, &six.octets()),
    });
    let alternatives: Vec<Vec<u8>> = names.chain(addresses).collect();
    sequence(&[
        // It signs no others.
        sequence(&[object(BASIC_CONSTRAINTS), critical(), octets(&sequence(&[]))]),
        // It signs what is said at the beginning of a connection: the first of the bits, seven unused.
        sequence(&[object(KEY_USAGE), critical(), octets(&[3, 2, 7, 0x80])]),
        sequence(&[object(EXTENDED_KEY_USAGE), octets(&sequence(&[object(SERVER_AUTH)]))]),
        sequence(&[object(ALTERNATIVE_NAMES), octets(&sequence(&alternatives))]),
    ])
}

/// A moment; years from 2050 on are written otherwise.
fn time(second: i64) -> Vec<u8> {
    let moment =
        jiff::Timestamp::from_second(second).unwrap_or_default().to_zoned_datetime(jiff::tz::TimeZone::UTC);
    let is_late = moment.year() >= 2050;
    let text = moment.strftime(if is_late { "%Y%m%d%H%M%SZ" } else { "%y%m%d%H%M%SZ" }).to_string();
    tagged(if is_late { 24 } else { 23 }, text.as_bytes())
}
