//! Another's directory: who somebody is, whether a password is theirs, who is in which group.
