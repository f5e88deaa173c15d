//! A directory server: the LDAP front of entries that somebody else keeps.
