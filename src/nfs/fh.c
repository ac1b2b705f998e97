/* SPDX-License-Identifier: MIT */
#include "nfs/fh.h"

#include <endian.h>
#include <sodium.h>
#include <string.h>

#define FH_VERSION     1
#define FH_KIND_OBJECT 1

_Static_assert(FH_HEADER_SIZE + FILEID_MAX + FH_MAC_SIZE <= NFS4_FHSIZE,
	"a wrapped fileid fits a filehandle");
_Static_assert(FH_MAC_SIZE == crypto_shorthash_BYTES, "MAC size");

struct fh_header {
	uint8_t version;
	uint8_t kind;
	uint8_t reserved[2];
	uint32_t export_id_be;
};

_Static_assert(sizeof(struct fh_header) == FH_HEADER_SIZE, "header size");

uint32_t fh_encode(const struct nfs_server *server, const struct export *export,
	const struct fileid *id, uint8_t buf[NFS4_FHSIZE])
{
	struct fh_header header = {
		.version = FH_VERSION,
		.kind = FH_KIND_OBJECT,
		.export_id_be = htobe32(export->id),
	};
	uint32_t len = FH_HEADER_SIZE + id->len;

	memcpy(buf, &header, sizeof(header));
	memcpy(buf + FH_HEADER_SIZE, id->data, id->len);
	crypto_shorthash(buf + len, buf, len, server->handle_key);
	return len + FH_MAC_SIZE;
}

static bool mac_matches(const struct nfs_server *server,
	const struct xdr_opaque *wire, uint32_t body)
{
	uint8_t mac[FH_MAC_SIZE];

	crypto_shorthash(mac, wire->data, body, server->handle_key);
	return sodium_memcmp(mac, wire->data + body, FH_MAC_SIZE) == 0;
}

nfsstat4 fh_decode(struct nfs_server *server, const struct xdr_opaque *wire,
	struct fh *ret)
{
	struct fh_header header;
	uint32_t body;

	if (wire->len <= FH_HEADER_SIZE + FH_MAC_SIZE ||
		wire->len > FH_HEADER_SIZE + FILEID_MAX + FH_MAC_SIZE)
		return NFS4ERR_BADHANDLE;
	memcpy(&header, wire->data, sizeof(header));
	if (header.version != FH_VERSION || header.kind != FH_KIND_OBJECT)
		return NFS4ERR_BADHANDLE;
	body = wire->len - FH_MAC_SIZE;
	if (!mac_matches(server, wire, body))
		return NFS4ERR_STALE;
	ret->export =
		exports_find(&server->exports, be32toh(header.export_id_be));
	if (!ret->export)
		return NFS4ERR_STALE;
	ret->id.len = body - FH_HEADER_SIZE;
	memcpy(ret->id.data, wire->data + FH_HEADER_SIZE, ret->id.len);
	return NFS4_OK;
}
