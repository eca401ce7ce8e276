//! A rule document in all its forms: as written, with everything filled in, compiled.

use crate::RegulatorError;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use switchboard_domain::{
    document::DocumentError,
    regulation::{Rules, RulesSource, RulesVersion},
};

/// Characters of the digest that a version's name shows: enough to tell the rule sets of one shop apart.
const NAME_DIGITS: usize = 12;

/// A document that was read and found to be usable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    /// As it was written.
    pub(crate) written: String,
    /// JSON with everything filled in: means the same for ever.
    pub(crate) canonical: String,
    /// SHA-256 of the canonical form.
    pub(crate) digest: String,
}

impl Document {
    /// Reads and checks a document.
    ///
    /// # Errors
    /// [`RegulatorError::InvalidRules`] with line and reason.
    pub(crate) fn parse(written: &str) -> Result<Self, RegulatorError> {
        let source = RulesSource::parse(written)?;
        let canonical = serde_json::to_string(&source)?;
        let digest = digest(canonical.as_bytes());
        Ok(Self { written: written.to_owned(), canonical, digest })
    }
}

/// Rules with everything that is told about them.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    /// 1, 2, 3 …; 0 for a document that is not kept.
    pub(crate) ordinal: i64,
    pub(crate) digest: String,
    pub(crate) canonical: String,
    pub(crate) rules: Rules,
}

impl Version {
    /// Compiles a document that was checked when it was kept.
    ///
    /// # Errors
    /// [`RegulatorError::InvalidRules`] when this program does not understand it any more.
    pub(crate) fn compile(ordinal: i64, digest: &str, canonical: &str) -> Result<Self, RegulatorError> {
        let source: RulesSource = serde_json::from_str(canonical)?;
        let name = name(ordinal, digest);
        let unusable = |error: &dyn std::error::Error| DocumentError::whole(error.to_string());
        let name = RulesVersion::parse(&name).map_err(|error| unusable(&error))?;
        let rules = Rules::compile(name, &source).map_err(|error| unusable(&error))?;
        Ok(Self { ordinal, digest: digest.to_owned(), canonical: canonical.to_owned(), rules })
    }
}

/// What decisions name a version by.
pub(crate) fn name(ordinal: i64, digest: &str) -> String {
    let digits = &digest[..digest.len().min(NAME_DIGITS)];
    if ordinal == 0 { format!("draft-{digits}") } else { format!("v{ordinal}-{digits}") }
}

/// SHA-256 in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}
