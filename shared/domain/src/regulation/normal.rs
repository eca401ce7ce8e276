//! The form in which rules compare texts, so that what looks the same is the same.

use unicode_normalization::UnicodeNormalization as _;

/// Brings a text into the form that phrases are compared in: invisible characters dropped, compatibility forms and
/// letter case folded, one kind of apostrophe and of hyphen, single spaces between and none at the ends.
pub fn normalise(text: &str) -> String {
    normalise_plain(text).unwrap_or_else(|| normalise_any(text))
}

fn normalise_any(text: &str) -> String {
    let visible = text.chars().filter(|c| !is_invisible(*c)).map(unify);
    let mut normal = String::with_capacity(text.len());
    // Folding case works on decomposed letters, so that a composed and a decomposed letter end up the same.
    for c in visible.nfkd().flat_map(fold_case).nfkc() {
        push(&mut normal, unify(c));
    }
    trim_end(&mut normal);
    normal
}

/// Does what [`normalise_any`] does, at a tenth of the price, for texts of characters that do not compose with their
/// neighbours, which is nearly every text; `None` for others.
fn normalise_plain(text: &str) -> Option<String> {
    let mut normal = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0'..='\x7f' => push(&mut normal, unify(c.to_ascii_lowercase())),
            '\u{ff01}'..='\u{ff5e}' => {
                let narrow = char::from_u32(u32::from(c) - 0xfee0)?;
                push(&mut normal, unify(narrow.to_ascii_lowercase()));
            }
            '\u{a0}' | '\u{3000}' => push(&mut normal, ' '),
            '\u{2013}' | '\u{2014}' | '\u{2018}' | '\u{2019}' => normal.push(unify(c)),
            '…' => normal.push_str("..."),
            _ if is_settled(c) => normal.push(c),
            _ if is_plain_letter(c) => normal.extend(fold_case(c)),
            _ if is_invisible(c) => {}
            _ => return None,
        }
    }
    trim_end(&mut normal);
    Some(normal)
}

/// Accented Latin and Cyrillic letters without compatibility forms.
fn is_plain_letter(c: char) -> bool {
    matches!(c, 'À'..='ÿ' | 'Ā'..='ı' | 'Ĵ'..='ľ' | 'Ł'..='ň' | 'Ŋ'..='ž' | '\u{400}'..='\u{45f}')
}

/// Common characters without case that are in normal form: punctuation, Han, kana, Hangul, emoji.
fn is_settled(c: char) -> bool {
    matches!(c,
        '\u{4e00}'..='\u{9fff}' | '。' | '、' | '¡' | '¿' | '«' | '»' | '“' | '”' | '„' | '€'
        | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | 'ー' | '\u{ac00}'..='\u{d7a3}'
        | '\u{1f300}'..='\u{1f64f}' | '\u{1f680}'..='\u{1f6ff}' | '\u{1f900}'..='\u{1faff}')
}

/// Whether a character is part of a word in a script that separates words, so that a phrase must not begin or end
/// next to it when the phrase's own edge is such a character too.
pub(super) fn is_word(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphanumeric() } else { !runs_on(c) && c.is_alphanumeric() }
}

/// Whether a character belongs to a script that writes words without separation, or (Hangul) glues particles to them.
fn runs_on(c: char) -> bool {
    matches!(c,
        '\u{3005}'..='\u{3007}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' // Han
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}'
        | '\u{3041}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' // kana
        | '\u{1100}'..='\u{11ff}' | '\u{3131}'..='\u{318e}' | '\u{ac00}'..='\u{d7ff}' // Hangul
        | '\u{0e00}'..='\u{0fff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}') // Thai, Lao, Tibetan, Burmese, Khmer
}

/// Characters that show nothing and are put between letters by accident or to slip through.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

/// One apostrophe and one hyphen for all that people and keyboards make of them.
fn unify(c: char) -> char {
    match c {
        '`' | '\u{b4}' | '\u{2b9}' | '\u{2bc}' | '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2032}' => '\'',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        other => other,
    }
}

/// Folds case; lowering twice with a rise between makes ẞ, ß and SS the same, and ς and σ.
fn fold_case(c: char) -> impl Iterator<Item = char> {
    c.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

fn push(normal: &mut String, c: char) {
    if !c.is_whitespace() {
        normal.push(c);
    } else if !normal.is_empty() && !normal.ends_with(' ') {
        normal.push(' ');
    }
}

fn trim_end(normal: &mut String) {
    if normal.ends_with(' ') {
        normal.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_looks_the_same_is_the_same() {
        let groups: &[&[&str]] = &[
            &["人工", "人\u{200b}工", "\u{feff}人\u{2060}工\u{200d}", " 人工\u{3000}"],
            &["agent", "AGENT", "ａｇｅｎｔ", "ＡＧＥＮＴ", "ag\u{ad}ent", "𝐚𝐠𝐞𝐧𝐭"],
            &["a b", "a  b", "a\u{a0}b", "a\r\n\tb", " a \u{200b} b ", "a\u{2028}b"],
            &["i'm", "I’m", "i‘m", "Iʼm", "i´m", "i`m", "i＇m"],
            &["e-mail", "e‐mail", "e‑mail", "e–mail", "E—MAIL", "e−mail", "e－mail"],
            &["weiß", "WEISS", "WEIẞ", "weiss"],
            &["réclamation", "re\u{301}clamation", "RÉCLAMATION"],
            &["σς", "ΣΣ", "ςσ"],
            &["ﬁn", "FIN", "fin"],
            &["カ", "ｶ"],
        ];
        for group in groups {
            for text in *group {
                assert_eq!(normalise(text), normalise(group[0]), "{text:?}");
            }
        }
    }

    #[test]
    fn what_is_different_stays_different() {
        for (one, other) in
            [("a b", "ab"), ("ano", "año"), ("人 工", "人工"), ("schon", "schön"), ("cant", "can't")]
        {
            assert_ne!(normalise(one), normalise(other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn word_characters() {
        assert!("aZ9éßж".chars().all(is_word));
        assert!("人々かカ한ไ '-_.,!🙂".chars().all(|c| !is_word(c)));
    }

    /// Texts of the characters that [`normalise_plain`] knows.
    fn plain_texts() -> impl Strategy<Value = String> {
        let known = (0..=0x1_ffff_u32).filter_map(char::from_u32);
        let known: Vec<char> =
            known.filter(|c| normalise_plain(c.encode_utf8(&mut [0; 4])).is_some()).collect();
        let (rare, han): (Vec<char>, Vec<char>) =
            known.into_iter().partition(|c| !matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}'));
        let any_known =
            prop_oneof![prop::sample::select(rare), prop::sample::select(han), prop::char::range(' ', '~')];
        prop::collection::vec(any_known, 0..40).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn the_short_way_leads_to_the_same_place(text in plain_texts()) {
            prop_assert_eq!(normalise_plain(&text), Some(normalise_any(&text)));
        }

        #[test]
        fn normal_stays_normal(text in any::<String>()) {
            let normal = normalise(&text);
            prop_assert_eq!(&normalise(&normal), &normal);
        }
    }
}
