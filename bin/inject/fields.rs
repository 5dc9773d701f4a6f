//! The header fields that mean something to `inject`.

/// The fields of the message, or those of whoever sends it on. RFC 5322 §3.6.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    Own = 0,
    Resent = 1,
}

/// What a field means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Recipients,
    /// Recipients whom nobody sees.
    Hidden,
    From,
    /// Other addresses, which are completed.
    Addresses,
    Date,
    MessageId,
    /// Where answers to everybody go.
    Followup,
    /// The envelope sender.
    ReturnPath,
    /// Untrue as soon as the message changes.
    Length,
    /// Not looked at.
    Other,
}

const FIELDS: &[(&str, Set, Role)] = &[
    ("To", Set::Own, Role::Recipients),
    ("Cc", Set::Own, Role::Recipients),
    ("Apparently-To", Set::Own, Role::Recipients),
    ("Bcc", Set::Own, Role::Hidden),
    ("From", Set::Own, Role::From),
    ("Sender", Set::Own, Role::Addresses),
    ("Reply-To", Set::Own, Role::Addresses),
    ("Mail-Reply-To", Set::Own, Role::Addresses),
    ("Mail-Followup-To", Set::Own, Role::Followup),
    ("Errors-To", Set::Own, Role::Addresses),
    ("Return-Receipt-To", Set::Own, Role::Addresses),
    ("Notice-Requested-Upon-Delivery-To", Set::Own, Role::Addresses),
    ("Date", Set::Own, Role::Date),
    ("Message-ID", Set::Own, Role::MessageId),
    ("Return-Path", Set::Own, Role::ReturnPath),
    ("Content-Length", Set::Own, Role::Length),
    ("Resent-To", Set::Resent, Role::Recipients),
    ("Resent-Cc", Set::Resent, Role::Recipients),
    ("Resent-Bcc", Set::Resent, Role::Hidden),
    ("Resent-From", Set::Resent, Role::From),
    ("Resent-Sender", Set::Resent, Role::Addresses),
    ("Resent-Reply-To", Set::Resent, Role::Addresses),
    ("Resent-Date", Set::Resent, Role::Date),
    ("Resent-Message-ID", Set::Resent, Role::MessageId),
];

/// The set and meaning of the field `name`, in any case.
pub(crate) fn role(name: &[u8]) -> (Set, Role) {
    let row = FIELDS.iter().find(|(known, ..)| name.eq_ignore_ascii_case(known.as_bytes()));
    row.map_or((Set::Own, Role::Other), |(_, set, role)| (*set, *role))
}
