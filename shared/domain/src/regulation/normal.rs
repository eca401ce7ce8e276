//! The form in which rules compare texts, so that what looks the same is the same.

use unicode_normalization::UnicodeNormalization as _;

/// Brings a text into the form that phrases are compared in: invisible characters dropped, compatibility forms and
/// letter case folded, one kind of apostrophe, hyphen and quotation-free white space (single spaces, none at the ends).
pub(super) fn normalise(text: &str) -> String {
    if let Some(quick) = normalise_plain(text) {
        return quick;
    }
    let visible = text.chars().filter(|c| !is_invisible(*c)).map(unify);
    let mut normal = String::with_capacity(text.len());
    // Folding case works on decomposed letters, so that a composed and a decomposed letter end up the same.
    for c in visible.nfkd().flat_map(fold_case).nfkc() {
        push(&mut normal, unify(c));
    }
    trim_end(&mut normal);
    normal
}

/// Does the same for texts of nothing but ASCII, common Han characters and full-width forms of ASCII, which is nearly
/// all there is, at a tenth of the price; `None` for others.
fn normalise_plain(text: &str) -> Option<String> {
    let mut normal = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0'..='\x7f' => push(&mut normal, unify(c.to_ascii_lowercase())),
            '\u{4e00}'..='\u{9fff}' | '。' | '、' => normal.push(c),
            '\u{ff01}'..='\u{ff5e}' => {
                let narrow = char::from_u32(u32::from(c) - 0xfee0)?;
                push(&mut normal, unify(narrow.to_ascii_lowercase()));
            }
            _ => return None,
        }
    }
    trim_end(&mut normal);
    Some(normal)
}

/// Whether a character is part of a word in a script that separates words, so that a phrase must not begin or end
/// next to it when the phrase's own edge is such a character too.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() && !runs_on(c)
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
