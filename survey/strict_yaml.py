"""YAML that people write by hand, read without surprises: codebooks, margins, settings.

YAML quietly takes the last of two equal keys, reads 010 as 8 and 1:30 as 90, and lets a few hundred characters stand
for gigabytes. Here each is a mistake, reported with its line.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from survey.errors import clipped

LONGEST = 1_000_000
"""Characters of a file: as many take the reader some seconds, half a minute at most."""

MOST = 200_000
"""Values of a file once every alias is written out."""

DEEPEST = 50
"""Mappings and lists within each other."""

PLAIN_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
QUOTE = "put it in quotes"
BOOLEAN = "YAML reads an unquoted Yes, No, On or Off as true or false; put it in quotes"


class _Loader(yaml.SafeLoader):
    """Safe loader that notes what YAML would read quietly as something else."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.problems: list[str] = []

    def note(self, node: Any, problem: str) -> None:
        """Note a mistake with the line of a node or an event."""
        self.problems.append(f"line {node.start_mark.line + 1}: {problem}")

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node as usual, after noting a tag."""
        event = self.peek_event()  # type: ignore[no-untyped-call]  # its stubs have none
        if getattr(event, "tag", None) is not None:
            self.note(event, f"the tag {clipped(event.tag)!r} must not be there; write the value as it is")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a mapping as usual, after noting the keys that occur twice."""
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    self.note(key, f"the key {clipped(key.value)!r} is repeated; keys and codes must differ")
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> Any:
        """Build a number as usual, after noting one that YAML reads in a way of its own."""
        whole = node.tag.endswith(":int")
        value = self.construct_yaml_int(node) if whole else self.construct_yaml_float(node)
        if (whole and not PLAIN_INTEGER.fullmatch(node.value)) or (not whole and re.search("[_:]", node.value)):
            self.note(node, f"YAML reads {clipped(node.value)} as {value}; write that, or put it in quotes for text")
        return value


for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _Loader.construct_number)


def read_yaml(text: str) -> tuple[Any, list[str]]:
    """Read a page of YAML.

    Parameters
    ----------
    text : the page.

    Returns
    -------
    Its content, None where it cannot be read, and all mistakes of form, as sentences.
    """
    if len(text) > LONGEST:
        return None, [f"the file has {len(text):,} characters; at most {LONGEST:,} are read. Is it the right file?"]
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, loader.problems
        excess = _excess(node)
        return (None, [*loader.problems, excess]) if excess else (loader.construct_document(node), loader.problems)
    except RecursionError:
        return None, [f"the file has more than {DEEPEST} mappings and lists within each other"]
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # a date that does not exist is a ValueError
        return None, [*loader.problems, f"the file is no valid YAML: {clipped(' '.join(str(error).split()), 300)}"]
    finally:
        loader.dispose()


def _excess(root: yaml.Node) -> str:
    """Say what is too much of a page: its depth, or what its aliases stand for; nothing where all is well."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: yaml.Node, depth: int) -> int:
        if id(node) in open_nodes or depth > DEEPEST:
            raise RecursionError
        if id(node) not in sizes:
            open_nodes.add(id(node))
            parts = node.value if isinstance(node, yaml.CollectionNode) else []
            pairs = [part for pair in parts for part in pair] if isinstance(node, yaml.MappingNode) else parts
            sizes[id(node)] = 1 + sum(size(part, depth + 1) for part in pairs)
            open_nodes.discard(id(node))
        return sizes[id(node)]

    whole = size(root, 0)
    return f"the file stands for {whole:,} values, by aliases; at most {MOST:,} are read" if whole > MOST else ""
