//! Mailboxes of an account: UIDs, flags, changes, on plain Maildirs.
