#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may include whom. The layers are folders; the tables below say which layer may see which other
layer and which foreign headers. The composition root (the C files directly in daemon/) knows all."""

import re

import tree

# Layer -> the layers whose headers it may include besides its own.
LAYERS = {
    "base": set(),
    "core": {"base"},
    "health": {"base", "core"},
    "run": {"base", "core"},
    "process": {"base", "core", "health"},
    "kinds": {"base", "core", "health", "process"},
    "store": {"base", "core"},
    "bus": {"base", "core", "health", "run"},
    "helper": {"base"},
    "units": {"base", "core", "health", "run", "process", "kinds", "store", "bus"},
    "client": {"base"},
}

# Foreign headers that only some may include: pattern of the header -> pattern of the path.
# Headers that match no pattern are free.
RESERVED = [
    (r"systemd/sd-journal\.h", r"daemon/base/log\.c"),
    (r"systemd/sd-event\.h", r"daemon/(process|bus)/.*|client/.*"),
    (r"systemd/sd-bus(-protocol|-vtable)?\.h", r"daemon/bus/.*|client/.*"),
    (r"systemd/.*", r""),
    (r"cap-ng\.h", r"daemon/process/.*"),
    (r"sqlite3\.h", r"daemon/store/.*"),
    (r"curl/.*", r"daemon/helper/.*"),
    (r"microhttpd\.h", r"client/gateway/.*"),
    (r"(gio|gobject)/.*|glib-object\.h", r""),
    # No kernel and no clock of their own. These are the domain: it runs in virtual time.
    (
        r"(unistd|signal|time|fcntl|poll|pthread|spawn|dirent)\.h|sys/.*|linux/.*",
        r"(daemon/(?!(core|health|run)/)|client/).*",
    ),
]

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.M)


def _layer_of(path):
    """"core" of daemon/core/map.c, "client" of all below client/, None of the composition root."""
    parts = path.split("/")
    if parts[0] == "client":
        return "client"
    return parts[1] if len(parts) > 2 else None


def _own_problem(root, path, header):
    """Why path may not include this header of the project; None if it may."""
    layer = _layer_of(path)
    if layer is None:
        return None
    first = header.split("/")[0] if "/" in header else None
    if layer == "client":
        own = [(root / path).parent / header, root / "client" / header]
        if first == "base" or any(file.is_file() for file in own):
            return None
        return "the client may include only base and its own headers"
    if layer not in LAYERS:
        return f"unknown layer {layer}: add it to tests/lint/includes.py"
    if first not in LAYERS:
        return 'write the layer: "LAYER/FILE.h"'
    if first != layer and first not in LAYERS[layer]:
        return f"layer {layer} may not use layer {first}"
    return None


def _foreign_problem(path, header):
    if _layer_of(path) is None:
        return None
    for header_pattern, path_pattern in RESERVED:
        if re.fullmatch(header_pattern, header):
            allowed = re.fullmatch(path_pattern, path) is not None
            return None if allowed else "this header is reserved for others"
    return None


def violations(root):
    found = []
    for file in tree.files(root, ("daemon", "client"), (".c", ".h")):
        path = file.relative_to(root).as_posix()
        text = file.read_text()
        for match in _INCLUDE.finditer(text):
            own, foreign = match.groups()
            if own is not None:
                problem = _own_problem(root, path, own)
            else:
                problem = _foreign_problem(path, foreign)
            if problem is not None:
                line = text.count("\n", 0, match.start()) + 1
                found.append(f"{path}:{line}: {match.group().strip()}: {problem}")
    return found


if __name__ == "__main__":
    tree.finish(violations(tree.root_from_argv()))
