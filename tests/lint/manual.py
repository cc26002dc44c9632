#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual names what there is and nothing else: each option of svcmgrd, each member of its config
file and of definitions (with kinds and defaults as in their schemas), each command and common option of
svcmgr; README names each option of svcmgrd.

Usage: manual.py ROOT SVCMGRD SVCMGR
"""

import json
import pathlib
import re
import subprocess
import sys


def printed(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def options_of(text):
    """Of a help text: those that begin a line."""
    return set(re.findall(r"(?m)^ +(?:-\w, )?--([\w-]+)", text))


def commands_of(text):
    """The lines of two blanks and a small word, as svcmgr help has them."""
    return set(re.findall(r"(?m)^  ([a-z][\w-]+) .*[A-Z]", text))


def items_of(page, macro):
    """The words that the items (.It) of a page call so: Fl Fl, Cm or Va."""
    lines = re.findall(r"(?m)^\.It (.*)$", page)
    return {word for line in lines for word in re.findall(rf"(?:^|[ ,]){macro} ([a-z][\w-]+)", line)}


def members_of(page):
    """Va takes all words up to the next macro."""
    lists = re.findall(r"(?:^\.It |, )Va ([^(]*?) No", page, re.MULTILINE)
    return {word for words in lists for word in re.findall(r"[a-z_]+", words)}


def sections_of(page):
    """The text under each heading (.Sh, .Ss), by its name."""
    parts = re.split(r'(?m)^\.S[hs] (.*)$', page)
    return dict(zip(parts[1::2], parts[2::2]))


def described_in(text):
    """Each member that an item (.It Va) names, with what stands behind it in parentheses."""
    found = {}
    for words, about in re.findall(r"(?m)^\.It Va ([^(]*?) No \((.*)\)$", text):
        about = about.replace(r"\(dq", '"')
        found.update((word, about) for word in re.findall(r"[a-z_]+", words))
    return found


def resolved(schema, property_):
    name = property_.get("$ref", "").rpartition("/")[2]
    return {**schema["$defs"].get(name, {}), **property_}


def names_of(schema):
    return set(schema["properties"]) - {"$comment"}


def compare_kinds(about, where):
    """Which kinds have a member; where: kind -> its members."""
    for name, text in about.items():
        kinds = [kind for kind in where if name in where[kind]]
        only = re.findall(r"; (\w+) only$", text)
        if only != (kinds if len(kinds) == 1 else []):
            yield f"svcmgr-service.5: member {name} is one of {', '.join(kinds)}"


def default_of(property_):
    """As the schema says it: as a value, or in words; None: not at all, as of those that are required."""
    if "default" in property_:
        return json.dumps(property_["default"])
    words = re.search(r"Default[^:]*: ([^.;,]+)", property_.get("description", ""))
    return words.group(1) if words else None


def compare_defaults(schema, properties, about):
    """A default that another kind has is said as "of KIND"."""
    kind = schema["title"]
    for name in sorted(set(properties) & set(about)):
        default = default_of(properties[name])
        said = re.findall(rf"of {kind} ([^,;]+)", about[name]) or re.findall(r"default ([^,;]+)", about[name])
        if default is not None and said != [default]:
            yield f"svcmgr-service.5: the default of {name} of {kind} is {default}, not {' '.join(said)}"


def compare_descriptions(schema, properties, required):
    """Each member of a schema says what it is, and its default."""
    for name, property_ in properties.items():
        text = property_.get("description", "")
        if name not in required and "default" not in property_ and "Default" not in text:
            yield f"{schema['title']}.json: member {name} says no default"
        if not text:
            yield f"{schema['title']}.json: member {name} has no description"


def compare_definitions(page, schemas, parser):
    """svcmgr-service.5 against the schemas of the kinds; parser: the C that reads what is around."""
    sections = sections_of(page)
    configuration = page.split("\n.Sh CONFIGURATION\n")[1].split("\n.Ss The member ")[0]
    members = described_in(configuration)
    table = parser.split("definition_members[] = {")[1].split("};")[0]
    yield from compare("svcmgr-service.5", "member", set(described_in(sections["DEFINITION"])),
                       set(re.findall(r'\{"(\w+)"', table)))
    yield from compare("svcmgr-service.5", "member", set(members), set().union(*map(names_of, schemas)))
    yield from compare_kinds(members, {schema["title"]: names_of(schema) for schema in schemas})
    for schema in schemas:
        properties = {name: resolved(schema, schema["properties"][name]) for name in names_of(schema)}
        yield from compare_defaults(schema, properties, members)
        yield from compare_descriptions(schema, properties, schema["required"])
        objects = ("restart", "start_limit", "keep_up", "limits", "cgroup", "log")
        for name in (name for name in objects if name in properties):
            inner = properties[name]
            parts = {part: resolved(schema, inner["properties"][part]) for part in names_of(inner)}
            about = described_in(sections[f"The member {name}"])
            yield from compare("svcmgr-service.5", f"member of {name}", set(about), set(parts))
            yield from compare_defaults(schema, parts, about)


def compare(page, what, written, there):
    for name in sorted(there - written):
        yield f"{page}: {what} {name} is missing"
    for name in sorted(written - there):
        yield f"{page}: there is no {what} {name}"


def main(root, svcmgrd, svcmgr):
    data = pathlib.Path(root) / "data"
    daemon_page, file_page, client_page = (
        (data / "man" / name).read_text() for name in ("svcmgrd.8", "svcmgrd.json.5", "svcmgr.1"))
    definition_page = (data / "man" / "svcmgr-service.5").read_text()
    kinds = [json.loads((data / "schemas" / f"{kind}.json").read_text()) for kind in ("process", "oneshot", "group")]
    parser = (pathlib.Path(root) / "daemon" / "base" / "definition-text.c").read_text()
    readme = (pathlib.Path(root) / "README.md").read_text()
    schema = json.loads((data / "schemas" / "svcmgrd.json").read_text())
    daemon_help, client_help = printed(svcmgrd, "--help"), printed(svcmgr, "help")
    daemon_options = options_of(daemon_help)
    commands = commands_of(client_help)

    wrong = [
        *compare("svcmgrd.8", "option", items_of(daemon_page, "Fl Fl"), daemon_options),
        *compare("svcmgrd.json.5", "member", members_of(file_page), set(schema["properties"]) - {"$comment"}),
        *compare_definitions(definition_page, kinds, parser),
        *compare("svcmgr.1", "command", items_of(client_page, "Cm") - {"pretty"}, commands),
        *compare("svcmgr.1", "option", items_of(client_page.split(".Sh OPTIONS")[1], "Fl Fl"),
                 options_of(client_help.split("Options:")[1])),
        *compare("README.md", "option",
                 {name for name in daemon_options if re.search(rf"--{name}\b", readme)} | {"help", "version"}, daemon_options),
    ]
    if not daemon_options or not commands:
        wrong.append("no option or no command is known at all")
    for problem in wrong:
        print(problem, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
