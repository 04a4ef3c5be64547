// Logins and passwords as they are compared, whichever keyboard they were typed on.

/** Mail addresses are compared without their case; nobody has two that differ in nothing else. */
export const normalLogin = (login: string): string => login.normalize("NFKC").trim().toLowerCase();

/** NIST SP 800-63B, section 3.1.1.2: the same characters may come composed in different ways. */
export const normalPassword = (password: string): string => password.normalize("NFKC");
