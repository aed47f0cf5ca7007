//! SQLSTATEs and the one door through which an error may reach a client.
