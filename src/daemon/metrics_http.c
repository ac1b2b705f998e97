/* SPDX-License-Identifier: MIT */
#include "daemon/metrics_http.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS_MAX 16
#define ONE_HOST_MAX    8
#define PATIENCE_S      10
#define REQUEST_BYTES   (16 * 1024) /* of memory per connection */
#define BACKLOG         16

#define PAGE_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define TEXT_TYPE "text/plain; charset=utf-8"

struct metrics_http {
	struct metrics_source source;
	struct MHD_Daemon *daemon;
};

/* ---- answers ---- */

/* Takes @response, which may be NULL: then the connection is closed. */
static enum MHD_Result answer(struct MHD_Connection *conn, unsigned status,
	struct MHD_Response *response, const char *type)
{
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(
			response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(conn, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer_text(
	struct MHD_Connection *conn, unsigned status, const char *text)
{
	return answer(conn, status,
		MHD_create_response_from_buffer(strlen(text),
			(void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT),
		TEXT_TYPE);
}

/* The page in memory of its own; NULL when there is none. */
static char *make_page(const struct metrics_http *http, size_t *size)
{
	struct metrics metrics;
	char *page = NULL;
	FILE *to = open_memstream(&page, size);

	if (!to)
		return NULL;
	metrics_read(&http->source, &metrics);
	metrics_print_page(&metrics, to);
	if (fclose(to) == 0)
		return page;
	free(page);
	return NULL;
}

static enum MHD_Result answer_page(
	const struct metrics_http *http, struct MHD_Connection *conn)
{
	struct MHD_Response *response;
	size_t size;
	char *page = make_page(http, &size);

	if (!page)
		return MHD_NO;
	response = MHD_create_response_from_buffer(
		size, page, MHD_RESPMEM_MUST_FREE);
	if (!response)
		free(page);
	return answer(conn, MHD_HTTP_OK, response, PAGE_TYPE);
}

static enum MHD_Result handle(void *ctx, struct MHD_Connection *conn,
	const char *url, const char *method, const char *version,
	const char *upload, size_t *upload_size, void **request)
{
	if (strcmp(url, "/metrics") != 0)
		return answer_text(conn, MHD_HTTP_NOT_FOUND,
			"There is /metrics and nothing else.\n");
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
		strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(
			conn, MHD_HTTP_METHOD_NOT_ALLOWED, "GET it.\n");
	return answer_page(ctx, conn);
}

/* ---- start and stop ---- */

/* A listening socket; < 0: -errno. */
static int listen_on(const struct sockaddr_storage *addr, socklen_t len,
	struct sockaddr_storage *bound)
{
	const int on = 1;
	socklen_t bound_len = sizeof(*bound);
	int fd = socket(
		addr->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)addr, len) == 0 &&
		listen(fd, BACKLOG) == 0 &&
		getsockname(fd, (struct sockaddr *)bound, &bound_len) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static struct MHD_Daemon *start_daemon(struct metrics_http *http, int fd)
{
	return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL,
		handle, http, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)ONE_HOST_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)PATIENCE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES,
		MHD_OPTION_END);
}

int metrics_http_start(const struct sockaddr_storage *addr, socklen_t len,
	const struct metrics_source *source, struct metrics_http **ret,
	struct sockaddr_storage *bound)
{
	int fd = listen_on(addr, len, bound);
	struct metrics_http *http;

	if (fd < 0)
		return fd;
	http = calloc(1, sizeof(*http));
	if (http) {
		http->source = *source;
		http->daemon = start_daemon(http, fd);
	}
	if (http && http->daemon) {
		*ret = http;
		return 0;
	}
	free(http);
	close(fd);
	return -ENOMEM;
}

void metrics_http_stop(struct metrics_http *http)
{
	if (!http)
		return;
	MHD_stop_daemon(http->daemon); /* closes the socket */
	free(http);
}
