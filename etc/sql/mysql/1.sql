-- Users of Fulmar in MySQL and MariaDB, version 1: what `fulmar database migrate` runs; see users-sql(5).
CREATE TABLE mail_schema (version integer NOT NULL);

-- Domains: settings as in users/DOMAIN/domain, a line each (quota 1G, alias-of example.org, ...).
CREATE TABLE mail_domains (
    name varchar(255) PRIMARY KEY,
    settings text NOT NULL DEFAULT ('')
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ENGINE = InnoDB;

-- Accounts: password as {SCHEME}..., quota in bytes; settings: further words as in users/DOMAIN/accounts.
CREATE TABLE mail_accounts (
    domain varchar(255) NOT NULL,
    name varchar(255) NOT NULL,
    password text,
    active boolean NOT NULL DEFAULT true,
    delivery enum('mailbox', 'forward', 'both', 'qmail'),
    forward text,
    wildcard boolean NOT NULL DEFAULT false,
    quota bigint,
    services varchar(255),
    settings text NOT NULL DEFAULT (''),
    PRIMARY KEY (domain, name),
    FOREIGN KEY (domain) REFERENCES mail_domains (name) ON UPDATE CASCADE ON DELETE CASCADE
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ENGINE = InnoDB;

-- Aliases: a row for each address that a name leads to.
CREATE TABLE mail_aliases (
    domain varchar(255) NOT NULL,
    name varchar(255) NOT NULL,
    target varchar(255) NOT NULL,
    PRIMARY KEY (domain, name, target),
    FOREIGN KEY (domain) REFERENCES mail_domains (name) ON UPDATE CASCADE ON DELETE CASCADE
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ENGINE = InnoDB;

-- Routes: a name whose mail goes into a folder of an account (account/.Folder).
CREATE TABLE mail_routes (
    domain varchar(255) NOT NULL,
    name varchar(255) NOT NULL,
    destination text NOT NULL,
    active boolean NOT NULL DEFAULT true,
    PRIMARY KEY (domain, name),
    FOREIGN KEY (domain) REFERENCES mail_domains (name) ON UPDATE CASCADE ON DELETE CASCADE
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ENGINE = InnoDB;

-- The relay table, where control/relaytable says `database`.
CREATE TABLE relay (
    email varchar(255) NOT NULL,
    ipaddr varchar(255) NOT NULL,
    `timestamp` bigint NOT NULL,
    PRIMARY KEY (email, ipaddr)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ENGINE = InnoDB;
CREATE INDEX relay_ipaddr ON relay (ipaddr);

-- Who may only send: other programs put rows here. crypt_password is the SHA-256 of salt and password, in hex.
CREATE TABLE eng_smtp_auth_users__raw_db_access (
    id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    username varchar(255) COLLATE utf8mb4_general_ci NOT NULL,
    crypt_password text NOT NULL,
    crypt_salt text NOT NULL,
    active boolean NOT NULL DEFAULT true,
    CONSTRAINT eng_smtp_auth_users__raw_db_access__username__uniq UNIQUE (username)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin ENGINE = InnoDB;
INSERT INTO mail_schema (version) VALUES (1);
