/* SPDX-License-Identifier: MIT */
/*
 * TLS: the OpenSSL context that libmosquitto is given. It checks the server's certificate against the name of
 * the settings, though libmosquitto connects to a number (its own check would compare with that), and says in
 * words why one side did not like the other's certificate. Edge; used by link.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

struct tls;

#define TLS_REASON_MAX	384

/* Reads the files. cert_file and key_file: NULL both, or none. 0 or -errno after a sentence in `complaint`:
 * -EINVAL a file is wrong or does not fit the other, -ENOENT, -EACCES, -ENOMEM. */
int tls_new(struct tls **ret, const char *ca_file, const char *cert_file, const char *key_file,
	    char complaint[256]);
struct tls *tls_free(struct tls *t);

/* Reads the files again if one of them is another than before (certificates are renewed); as tls_new. */
int tls_refresh(struct tls *t, char complaint[256]);

/* Before each connection: whom the certificate must name. */
int tls_expect(struct tls *t, const char *name, bool is_number);

/* Borrowed. libmosquitto takes a reference with every connection, and leaves one behind where it did not come
 * as far as TLS: so the context lives as long as the process or its files, not as the connection. */
SSL_CTX *tls_context(struct tls *t);

/* Why the handshake since tls_expect() failed; false: TLS has nothing to say. */
bool tls_reason(const struct tls *t, char ret[TLS_REASON_MAX]);
