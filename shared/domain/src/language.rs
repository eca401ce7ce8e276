//! The languages the product itself speaks.

use serde::{Deserialize, Serialize};

/// A language that notices, mails and pages exist in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Chinese, simplified.
    #[default]
    Zh,
    /// English.
    En,
}

impl Language {
    /// The BCP 47 tag.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
        }
    }

    /// Reads a BCP 47 tag by its primary language (`zh-CN` is Chinese); `None` for languages not spoken yet.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        [Self::Zh, Self::En].into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    /// Guesses from a text: any Han character means Chinese, other letters mean English, no letters say nothing.
    pub fn detect(text: &str) -> Option<Self> {
        let is_han = |c: char| matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}');
        if text.chars().any(is_han) {
            return Some(Self::Zh);
        }
        text.chars().any(char::is_alphabetic).then_some(Self::En)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_texts_are_told_apart() {
        assert_eq!(Language::from_tag("zh-CN"), Some(Language::Zh));
        assert_eq!(Language::from_tag("EN_us"), Some(Language::En));
        assert_eq!(Language::from_tag("tlh"), None);
        assert_eq!(Language::detect("电池 battery"), Some(Language::Zh));
        assert_eq!(Language::detect("battery?"), Some(Language::En));
        assert_eq!(Language::detect("12345 !"), None);
    }
}
