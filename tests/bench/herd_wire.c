/* SPDX-License-Identifier: MIT */
#include "herd.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static int on_ticket(SSL *tls, SSL_SESSION *ticket)
{
	struct device *d = SSL_get_app_data(tls);

	SSL_SESSION_free(d->ticket);
	d->ticket = ticket;
	return 1; /* it is ours now */
}

/* As clients/telemetry/tls.c does it, but for the name: what the server has to do is the same. */
int wire_init(struct herd *h)
{
	const struct herd_options *o = &h->options;
	SSL_CTX *context;

	if (!o->ca)
		return 0;
	signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
	context = h->tls = SSL_CTX_new(TLS_client_method());
	if (!context || SSL_CTX_load_verify_locations(context, o->ca, NULL) != 1 ||
	    SSL_CTX_use_certificate_chain_file(context, o->cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, o->key, SSL_FILETYPE_PEM) != 1)
		return -EINVAL;
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	if (o->is_resuming) {
		SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT |
							SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(context, on_ticket);
	}
	return 0;
}

/* What OpenSSL means by a result that is not good. */
static int reason(struct device *d, int result)
{
	const int error = SSL_get_error(d->tls, result);

	ERR_clear_error();
	d->must_write = error == SSL_ERROR_WANT_WRITE;
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return -EAGAIN;
	return -ECONNRESET;
}

int wire_shake(struct herd *h, struct device *d)
{
	int r;

	if (!d->tls) {
		d->tls = SSL_new(h->tls);
		if (!d->tls || SSL_set_fd(d->tls, d->fd) != 1)
			return -ENOMEM;
		SSL_set_app_data(d->tls, d);
		if (d->ticket)
			SSL_set_session(d->tls, d->ticket);
	}
	r = SSL_connect(d->tls);
	if (r != 1)
		return reason(d, r);
	d->must_write = false;
	h->resumed += SSL_session_reused(d->tls) == 1;
	return 0;
}

ssize_t wire_send(struct device *d, const uint8_t *bytes, size_t length)
{
	ssize_t n;

	if (d->tls) {
		n = SSL_write(d->tls, bytes, (int)length);
		return n > 0 ? n : reason(d, (int)n);
	}
	n = send(d->fd, bytes, length, MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

ssize_t wire_receive(struct device *d, uint8_t *ret, size_t size)
{
	ssize_t n;

	if (d->tls) {
		n = SSL_read(d->tls, ret, (int)size);
		return n > 0 ? n : reason(d, (int)n);
	}
	n = recv(d->fd, ret, size, 0);
	if (n == 0)
		return -ECONNRESET;
	return n < 0 ? -errno : n;
}

bool wire_has_more(const struct device *d)
{
	return d->tls && SSL_pending(d->tls) > 0;
}

void wire_close(struct device *d)
{
	/* The server hears of no end; but OpenSSL takes no ticket of a connection that had none. */
	if (d->tls)
		SSL_set_shutdown(d->tls, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(d->tls);
	d->tls = NULL;
	d->must_write = false;
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}
