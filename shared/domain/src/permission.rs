//! What people of the shop may do, listed in one place. Every RPC names the permission that it needs with
//! `(switchboard.access)`; roles, built-in and custom ones, are sets of permissions.
//!
//! To add one: a line below, the same name in `proto/switchboard/access.proto`, the built-in roles that have it. Numbers are
//! bits in tokens and metadata: they are added, never moved.

use std::{fmt, str::FromStr};

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $bit:literal $text:literal;)*) => {
        /// One thing that a person of the shop may be allowed to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Permission {
            $($(#[$doc])* $name,)*
        }

        impl Permission {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name in roles, tokens and error messages.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            const fn bit(self) -> u64 {
                match self { $(Self::$name => 1 << $bit,)* }
            }
        }
    };
}

permissions! {
    /// One's own account: profile, password, second factor, logging out. Everybody has it; with a password that must be
    /// changed it is all that one has.
    AccountSelf = 0 "account.self";
    /// One's own presence: status and heartbeat.
    PresenceSelf = 1 "presence.self";
    /// See sessions, their messages, the queue and the agents' feed.
    SessionsRead = 2 "sessions.read";
    /// Take over, write, hand over, release and close what one owns.
    SessionsServe = 3 "sessions.serve";
    /// Take from the bot or from a colleague, move others' work at once.
    SessionsSupervise = 4 "sessions.supervise";
    /// Write internal notes and set tags.
    NotesWrite = 5 "notes.write";
    /// Define tags.
    TagsManage = 6 "tags.manage";
    /// Use quick replies and write one's own.
    RepliesWrite = 7 "replies.write";
    /// Edit everybody's quick replies and see how they are used.
    RepliesManage = 8 "replies.manage";
    /// Edit customers' profiles.
    ProfilesEdit = 9 "profiles.edit";
    /// See statistics.
    StatsRead = 10 "stats.read";
    /// See who the agents are and who is there.
    AgentsRead = 11 "agents.read";
    /// Make, change, disable accounts; reset passwords; set skills.
    AgentsManage = 12 "agents.manage";
    /// Define roles.
    RolesManage = 13 "roles.manage";
    /// Make and revoke API keys of others.
    KeysManage = 14 "keys.manage";
    /// Read the audit log.
    AuditRead = 15 "audit.read";
    /// See the escalation rules and what they decided.
    RulesRead = 16 "rules.read";
    /// Write drafts, try them on the past, shadow them.
    RulesEdit = 17 "rules.edit";
    /// Put rules into force.
    RulesPublish = 18 "rules.publish";
    /// Change working hours.
    HoursEdit = 19 "hours.edit";
    /// Webhooks, deliveries, dead letters.
    DeliveriesManage = 20 "deliveries.manage";
}

/// A text names no permission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no permission of this name")]
pub struct UnknownPermission;

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Permission {
    type Err = UnknownPermission;
    fn from_str(text: &str) -> Result<Self, UnknownPermission> {
        Self::ALL.iter().copied().find(|permission| permission.as_str() == text).ok_or(UnknownPermission)
    }
}

/// A set of permissions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Permissions(u64);

impl Permissions {
    /// None.
    pub const NONE: Self = Self(0);

    /// Exactly these.
    pub const fn of(list: &[Permission]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < list.len() {
            bits |= list[at].bit();
            at += 1;
        }
        Self(bits)
    }

    /// All that there are.
    pub const fn all() -> Self {
        Self::of(Permission::ALL)
    }

    /// Whether `permission` is among them.
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// What is in either.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    pub const fn limited_to(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// In the order of [`Permission::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.contains(*permission))
    }

    /// Reads the hexadecimal form written by [`fmt::Display`]; bits that mean nothing here are dropped, so that an older
    /// part of the mesh understands a newer one.
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = !text.is_empty() && text.len() <= 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let bits = u64::from_str_radix(text, 16).ok().filter(|_| well_formed)?;
        Some(Self(bits).limited_to(Self::all()))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        permissions.into_iter().fold(Self::NONE, |set, permission| set.and(Self::of(&[permission])))
    }
}

/// Hexadecimal digits.
impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Permission::as_str)).finish()
    }
}

/// The roles that are always there. Custom roles are made beside them and stored by agent-auth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BuiltinRole {
    /// Looks at the numbers, not at customers.
    Guest,
    /// Serves customers.
    Agent,
    /// Also sees the floor, moves work and tunes the policy.
    Supervisor,
    /// May do everything.
    Admin,
}

impl BuiltinRole {
    /// From least to most.
    pub const ALL: [Self; 4] = [Self::Guest, Self::Agent, Self::Supervisor, Self::Admin];

    /// The name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Agent => "agent",
            Self::Supervisor => "supervisor",
            Self::Admin => "admin",
        }
    }

    /// The role of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// What it may do.
    pub const fn permissions(self) -> Permissions {
        use Permission::{
            AccountSelf, AgentsRead, HoursEdit, NotesWrite, PresenceSelf, ProfilesEdit, RepliesManage,
            RepliesWrite, RulesEdit, RulesPublish, RulesRead, SessionsRead, SessionsServe, SessionsSupervise,
            StatsRead, TagsManage,
        };
        const GUEST: Permissions = Permissions::of(&[AccountSelf, StatsRead]);
        const AGENT: Permissions = GUEST.and(Permissions::of(&[
            PresenceSelf,
            SessionsRead,
            SessionsServe,
            NotesWrite,
            RepliesWrite,
            ProfilesEdit,
            AgentsRead,
        ]));
        const SUPERVISOR: Permissions = AGENT.and(Permissions::of(&[
            SessionsSupervise,
            TagsManage,
            RepliesManage,
            RulesRead,
            RulesEdit,
            RulesPublish,
            HoursEdit,
        ]));
        match self {
            Self::Guest => GUEST,
            Self::Agent => AGENT,
            Self::Supervisor => SUPERVISOR,
            Self::Admin => Permissions::all(),
        }
    }
}

impl fmt::Display for BuiltinRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bits_are_unique() {
        for permission in Permission::ALL {
            assert_eq!(permission.as_str().parse(), Ok(*permission));
        }
        assert_eq!(Permissions::all().iter().count(), Permission::ALL.len());
    }

    #[test]
    fn text_form_round_trips_and_forgets_what_it_does_not_know() {
        let set = BuiltinRole::Supervisor.permissions();
        assert_eq!(Permissions::parse(&set.to_string()), Some(set));
        assert_eq!(Permissions::parse("ffffffffffffffff"), Some(Permissions::all()));
        for bad in ["", "+1", "-1", "g", "0x1", "10000000000000000"] {
            assert_eq!(Permissions::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn each_role_may_more_than_the_one_before() {
        for pair in BuiltinRole::ALL.windows(2) {
            let (less, more) = (pair[0].permissions(), pair[1].permissions());
            assert!(less != more && less.limited_to(more) == less, "{} {}", pair[0], pair[1]);
        }
    }
}
