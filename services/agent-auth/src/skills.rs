//! What somebody is good at: normalised when it is set, read back leniently.

use crate::{account::Skill, denial::invalid};
use switchboard_domain::Failure;
use switchboard_proto::agentauth::v1 as wire;

/// Most skills of one account.
const SKILLS_MAX: usize = 20;
/// Most tags of one skill.
const TAGS_MAX: usize = 20;
/// Longest category or tag, in characters.
const WORD_MAX: usize = 50;
/// From least to most.
const LEVELS: [&str; 3] = ["junior", "intermediate", "senior"];

/// Trims and lower-cases everything; of several skills of one category the last one counts.
///
/// # Errors
/// `VALIDATION_ERROR` when there are too many, or one breaks its rule.
pub(crate) fn normalised(skills: Vec<wire::Skill>) -> Result<Vec<Skill>, Failure> {
    if skills.len() > SKILLS_MAX {
        return Err(invalid("skills", "at most 20"));
    }
    let mut normal: Vec<Skill> = Vec::with_capacity(skills.len());
    for skill in skills {
        let category = word(&skill.category).ok_or_else(|| invalid("category", "1 to 50 characters"))?;
        let level = skill.level.trim().to_lowercase();
        if !LEVELS.contains(&level.as_str()) {
            return Err(invalid("level", "junior, intermediate or senior"));
        }
        let tags = tags(&skill.tags)?;
        normal.retain(|other| other.category != category);
        normal.push(Skill { category, level, tags });
    }
    Ok(normal)
}

/// Reads the column; one that cannot be read is no skills.
pub(crate) fn read(json: &str) -> Vec<Skill> {
    serde_json::from_str(json).unwrap_or_default()
}

fn tags(tags: &[String]) -> Result<Vec<String>, Failure> {
    let mut normal: Vec<String> = Vec::new();
    for tag in tags.iter().filter(|tag| !tag.trim().is_empty()) {
        let tag = word(tag).ok_or_else(|| invalid("tags", "at most 50 characters each"))?;
        if !normal.contains(&tag) {
            normal.push(tag);
        }
        if normal.len() > TAGS_MAX {
            return Err(invalid("tags", "at most 20"));
        }
    }
    Ok(normal)
}

fn word(text: &str) -> Option<String> {
    let word = text.trim().to_lowercase();
    let fits = !word.is_empty() && word.chars().count() <= WORD_MAX && !word.chars().any(char::is_control);
    fits.then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skill(category: &str, level: &str, tags: &[&str]) -> wire::Skill {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        wire::Skill { category: category.into(), level: level.into(), tags }
    }

    #[test]
    fn skills_are_trimmed_folded_and_said_once() {
        let given = vec![
            skill(" Billing ", "JUNIOR", &[]),
            skill("物流", "senior", &["Express", " express ", "", "海外"]),
            skill("billing", " Senior", &["VAT"]),
        ];
        let of = |category: &str, tags: &[&str]| Skill {
            category: category.into(),
            level: "senior".into(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        };
        assert_eq!(normalised(given).unwrap(), [of("物流", &["express", "海外"]), of("billing", &["vat"])]);
    }

    #[test]
    fn what_breaks_a_rule_is_named() {
        let long = "x".repeat(51);
        let many: Vec<String> = (0..21).map(|tag| tag.to_string()).collect();
        for (skills, field) in [
            (vec![skill("a", "junior", &[]); 21], "skills"),
            (vec![skill(" ", "junior", &[])], "category"),
            (vec![skill(&long, "junior", &[])], "category"),
            (vec![skill("a", "expert", &[])], "level"),
            (vec![skill("a", "junior", &[&long])], "tags"),
            (vec![wire::Skill { tags: many, ..skill("a", "junior", &[]) }], "tags"),
        ] {
            assert_eq!(normalised(skills).unwrap_err().facts["field"], field);
        }
        assert_eq!(read("nonsense"), []);
    }
}
