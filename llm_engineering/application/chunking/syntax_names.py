"""The kinds of syntax nodes that chunking knows, over all languages, and the names of definitions."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node

# What stands above something and describes it.
LEADING = frozenset(
    ["comment", "line_comment", "block_comment", "decorator", "attribute_item", "access_specifier", "marker_annotation"]
)
# What holds the statements or members of something.
BODIES = frozenset(
    [
        "block", "class_body", "compound_statement", "declaration_list", "field_declaration_list", "statement_block",
        "enum_body", "interface_body", "constructor_body", "annotation_type_body", "enum_body_declarations",
        "enum_variant_list", "enumerator_list", "interface_type", "object_type", "statement_list", "switch_block",
        "switch_body",
    ]
)  # fmt: skip
_DEFINITIONS = frozenset(
    [
        # Python
        "function_definition", "class_definition",
        # JavaScript, TypeScript
        "function_declaration", "generator_function_declaration", "class_declaration", "abstract_class_declaration",
        "method_definition", "interface_declaration", "enum_declaration", "internal_module", "module",
        # Java
        "record_declaration", "annotation_type_declaration", "method_declaration", "constructor_declaration",
        "compact_constructor_declaration",
        # Go
        "type_declaration", "type_spec",
        # Rust
        "function_item", "impl_item", "struct_item", "enum_item", "trait_item", "mod_item", "union_item",
        "macro_definition",
        # C, C++
        "class_specifier", "struct_specifier", "union_specifier", "enum_specifier", "namespace_definition",
    ]
)  # fmt: skip
# What only wraps a definition, and the field or place that it stands in.
_WRAPPERS = frozenset(["decorated_definition", "export_statement", "template_declaration", "ambient_declaration"])
_FUNCTIONS = frozenset(["arrow_function", "function_expression", "generator_function", "class"])
_LONGEST_NAME = 80
_MOST_STEPS = 20


def is_definition(node: "Node") -> bool:
    """Tell whether a node defines something that has a name of its own."""
    inner = _unwrapped(node)
    return inner.type in _DEFINITIONS or _assigned(inner) is not None


def names_of(node: "Node") -> Iterator[str]:
    """Yield the names that a definition puts around what is in it; a method of Go has its type's before its own."""
    inner = _unwrapped(node)
    if inner.type not in _DEFINITIONS:
        inner = _assigned(inner) or inner
        if inner.type != "variable_declarator":
            return
    if (receiver := inner.child_by_field_name("receiver")) is not None:
        yield from _short(_receiver_type(receiver))
    yield from _short(_named(inner))


def _unwrapped(node: "Node") -> "Node":
    for _ in range(_MOST_STEPS):
        if node.type not in _WRAPPERS:
            return node
        inner = node.child_by_field_name("definition") or node.child_by_field_name("declaration")
        inner = inner or next((child for child in reversed(node.named_children) if "comment" not in child.type), None)
        if inner is None:
            return node
        node = inner
    return node


def _assigned(node: "Node") -> "Node | None":
    """Return the declarator of `const name = () => …`, if the node is one."""
    if node.type not in ("lexical_declaration", "variable_declaration"):
        return None
    for child in node.named_children:
        value = child.child_by_field_name("value") if child.type == "variable_declarator" else None
        if value is not None and value.type in _FUNCTIONS:
            return child
    return None


def _named(node: "Node") -> "Node | None":
    """Return the node that holds the name: that of C stands somewhere inside its declarators."""
    if (name := node.child_by_field_name("name")) is not None:
        return name
    if node.type == "impl_item":
        return node.child_by_field_name("type")
    if node.type == "type_declaration":
        specs = [child for child in node.named_children if child.type == "type_spec"]
        return specs[0].child_by_field_name("name") if len(specs) == 1 else None
    found: Node | None = node
    for _ in range(_MOST_STEPS):
        inner = found.child_by_field_name("declarator") if found is not None else None
        if inner is None:
            return found if found is not None and found != node else None
        found = inner
    return None


def _receiver_type(receiver: "Node") -> "Node | None":
    found: list[Node] = [receiver]
    while found:
        node = found.pop(0)
        if node.type == "type_identifier":
            return node
        found += node.named_children
    return None


def _short(node: "Node | None") -> Iterator[str]:
    said = " ".join((node.text or b"").decode("utf-8", "replace").split()) if node is not None else ""
    if 0 < len(said) <= _LONGEST_NAME:
        yield said
