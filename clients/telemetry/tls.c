/* SPDX-License-Identifier: MIT */
#include "tls.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

enum { FILE_CA, FILE_CERT, FILE_KEY, FILE_COUNT };

struct tls {
	const char *file[FILE_COUNT]; /* borrowed */
	struct timespec changed[FILE_COUNT];
	ino_t inode[FILE_COUNT];
	SSL_CTX *context;
	const char *name; /* borrowed; of this connection */
	bool is_number;
	int verify_error; /* X509_V_ERR_*, ours of the server's */
	char subject[128];
	int alert; /* the server's of us */
};

static int complain(char complaint[256], int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int complain(char complaint[256], int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(complaint, 256, format, args);
	va_end(args);
	ERR_clear_error();
	return error;
}

static const char *openssl_says(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	return reason ? reason : "no reason given";
}

static int on_verify(int is_good, X509_STORE_CTX *store)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	const X509 *certificate = X509_STORE_CTX_get_current_cert(store);
	struct tls *t;

	if (is_good)
		return is_good;
	t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	t->verify_error = X509_STORE_CTX_get_error(store);
	t->subject[0] = '\0';
	if (certificate)
		X509_NAME_oneline(X509_get_subject_name(certificate), t->subject,
				  sizeof(t->subject));
	return is_good;
}

static void on_info(const SSL *ssl, int where, int value)
{
	struct tls *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	/* libmosquitto has set the number it connects to as the name it asks for. */
	if (where & SSL_CB_HANDSHAKE_START)
		(void)SSL_set_tlsext_host_name((SSL *)ssl, t->is_number ? NULL : (char *)t->name);
	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT &&
	    (value & 0xff) != SSL_AD_CLOSE_NOTIFY)
		t->alert = value;
}

static int load(const struct tls *t, SSL_CTX *context, char complaint[256])
{
	for (int i = 0; i < FILE_COUNT; i++) {
		FILE *f = t->file[i] ? fopen(t->file[i], "re") : NULL;

		if (t->file[i] && !f)
			return complain(complaint, -errno, "cannot read %s: %s", t->file[i],
					strerror(errno));
		if (f)
			fclose(f);
	}
	if (SSL_CTX_load_verify_locations(context, t->file[FILE_CA], NULL) != 1)
		return complain(complaint, -EINVAL,
				"%s holds no certificate of an authority in PEM form: %s",
				t->file[FILE_CA], openssl_says());
	if (!t->file[FILE_CERT])
		return 0;
	if (SSL_CTX_use_certificate_chain_file(context, t->file[FILE_CERT]) != 1)
		return complain(complaint, -EINVAL, "%s holds no certificate in PEM form: %s",
				t->file[FILE_CERT], openssl_says());
	if (SSL_CTX_use_PrivateKey_file(context, t->file[FILE_KEY], SSL_FILETYPE_PEM) != 1)
		return complain(complaint, -EINVAL, "%s holds no key for the certificate in %s: %s",
				t->file[FILE_KEY], t->file[FILE_CERT], openssl_says());
	return 0;
}

static int make(struct tls *t, char complaint[256])
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	int r;

	if (!context)
		return complain(complaint, -ENOMEM, "OpenSSL: %s", openssl_says());
	r = load(t, context, complaint);
	if (r < 0) {
		SSL_CTX_free(context);
		return r;
	}
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_app_data(context, t);
	SSL_CTX_set_info_callback(context, on_info);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_verify);
	SSL_CTX_free(t->context);
	t->context = context;
	return 0;
}

/* Notes which files we look at. true: another than before. */
static bool look(struct tls *t)
{
	bool is_other = false;

	for (int i = 0; i < FILE_COUNT; i++) {
		struct stat st;

		if (!t->file[i] || stat(t->file[i], &st) < 0)
			continue;
		is_other |= st.st_ino != t->inode[i] || st.st_mtim.tv_sec != t->changed[i].tv_sec ||
			    st.st_mtim.tv_nsec != t->changed[i].tv_nsec;
		t->inode[i] = st.st_ino;
		t->changed[i] = st.st_mtim;
	}
	return is_other;
}

int tls_new(struct tls **ret, const char *ca_file, const char *cert_file, const char *key_file,
	    char complaint[256])
{
	struct tls *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return complain(complaint, -ENOMEM, "no memory");
	*t = (struct tls){.file = {ca_file, cert_file, key_file}};
	(void)look(t);
	r = make(t, complaint);
	if (r < 0) {
		free(t);
		return r;
	}
	*ret = t;
	return 0;
}

struct tls *tls_free(struct tls *t)
{
	if (!t)
		return NULL;
	SSL_CTX_free(t->context);
	free(t);
	return NULL;
}

int tls_refresh(struct tls *t, char complaint[256])
{
	int r = look(t) ? make(t, complaint) : 0;

	if (r < 0)
		memset(t->changed, 0, sizeof(t->changed)); /* looked at again next time */
	return r;
}

int tls_expect(struct tls *t, const char *name, bool is_number)
{
	X509_VERIFY_PARAM *parameters = SSL_CTX_get0_param(t->context);

	t->name = name;
	t->is_number = is_number;
	t->verify_error = X509_V_OK;
	t->alert = 0;
	ERR_clear_error();
	if (X509_VERIFY_PARAM_set1_host(parameters, is_number ? NULL : name, 0) != 1)
		return -ENOMEM;
	if (!is_number)
		return X509_VERIFY_PARAM_set1_ip(parameters, NULL, 0) == 1 ? 0 : -ENOMEM;
	return X509_VERIFY_PARAM_set1_ip_asc(parameters, name) == 1 ? 0 : -EINVAL;
}

SSL_CTX *tls_context(struct tls *t)
{
	return t->context;
}

/* What a person does about it; "" : the reason says it all. */
static const char *advice(int verify_error)
{
	switch (verify_error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return " (or this machine's clock is wrong): the server needs a new one";
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return ": is this machine's clock right?";
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return ": it was made for another name; use that name in the settings, or this may "
		       "be an impostor";
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		return ": no authority in the CA file signed it";
	}
	return "";
}

bool tls_reason(const struct tls *t, char ret[TLS_REASON_MAX])
{
	if (t->verify_error != X509_V_OK) {
		(void)snprintf(ret, TLS_REASON_MAX,
			       "the server's certificate (%s) is not accepted for %s: %s%s",
			       t->subject, t->name, X509_verify_cert_error_string(t->verify_error),
			       advice(t->verify_error));
		return true;
	}
	if (t->alert) {
		(void)snprintf(ret, TLS_REASON_MAX,
			       "the server ended TLS: %s; if that is about a certificate, "
			       "it means ours (%s)",
			       SSL_alert_desc_string_long(t->alert),
			       t->file[FILE_CERT] ? t->file[FILE_CERT] : "none is set");
		return true;
	}
	return false;
}
