"""
Change valid bodies at one place at a time, led by a schema: every field, wherever a valid body of ours has room for it.
"""

import json
from typing import Any

import msgspec

from tests.hostile.shapes import Shape, fits, sample

Path = tuple[str | int, ...]
GONE: Any = object()
UNKNOWN = "zz_unknown"
LONG = "long " * 4_000
VALUES: tuple[Any, ...] = (
    GONE, None, True, False, 0, -1, 7, 1 << 31, 10**30, -(10**30), 1.5, -1e308, "", "x", LONG, "half \ud83d",
    "nul\x00 esc\x1b line\u2028", [], [7], [None], [[]], {}, {UNKNOWN: 1}, {"type": "no_such_type"},
)  # fmt: skip
FEW: tuple[Any, ...] = (GONE, None, 7, "", [], {}, "half \ud83d")
"""
What a field is changed to that is refused as it is: whatever is said of it, it must be said well.
"""


class Mutant(msgspec.Struct, frozen=True):
    """
    Hold a body, the place where it was changed, and whether its schema still allows it. `owner` is the kind of the
    object that it is in.
    """

    body: bytes
    path: Path
    label: str
    fitting: bool
    owner: str = ""

    def place(self) -> str:
        """
        Write the place.
        """
        return ".".join(map(str, self.path))


class Base(msgspec.Struct, frozen=True):
    """
    Hold a valid body in which the value at a path is new. `owner` is the name of the object that it is in.
    """

    root: Any
    path: Path
    shape: Shape
    owner: str
    required: bool = False

    def mutant(self) -> Mutant:
        """
        Give the body itself.
        """
        return Mutant(encode(self.root), self.path, "as it is", fitting=True, owner=self.owner)


class Explorer:
    """
    Find every place in a schema that a valid body reaches. Each field of each kind of object is changed once.

    `bases` holds bodies with a field or an alternative that was not there before. Whoever has sent one says with
    `accepted` or `refused` what became of it; only what is accepted is looked into.
    """

    def __init__(self, schema: Shape, *seeds: Any) -> None:
        self.bases = [Base(seed, (), schema, "body") for seed in seeds]
        self.mutants: list[Mutant] = []
        self._schema = schema
        self._seen: set[tuple[str, str]] = set()

    def take(self) -> list[Base]:
        """
        Take the bodies that are to be sent.
        """
        taken, self.bases = self.bases, []
        return taken

    def accepted(self, base: Base) -> None:
        """
        Look into the new value of a body.
        """
        value: Any = base.root
        for step in base.path:
            value = value[step]
        self._look(base, value)

    def refused(self, base: Base) -> None:
        """
        Change the new value a few times.
        """
        self._change(base, FEW)

    def _look(self, base: Base, value: Any) -> None:
        """
        Change a value if its place is new, then go into it.
        """
        name = str(next((step for step in reversed(base.path) if isinstance(step, str)), ""))
        in_list = bool(base.path) and isinstance(base.path[-1], int)
        if base.path and self._is_new(base.owner, f"{name}[]" if in_list else name):
            self._change(base, VALUES)
        shape = base.shape
        if shape.kind == "either":
            self._add_alternatives(base, value)
            shape = next((inner for inner in shape.inner if fits(inner, value)), shape.inner[0])
        if shape.kind == "object" and isinstance(value, dict):
            self._look_into(base, shape, value)
        elif shape.kind in {"list", "map"}:
            for step, item in enumerate(value) if isinstance(value, list) else value.items():
                self._look(Base(base.root, (*base.path, step), shape.inner[0], base.owner, shape.kind == "list"), item)

    def _look_into(self, base: Base, shape: Shape, value: dict[str, Any]) -> None:
        if self._is_new(shape.name, UNKNOWN):
            path = (*base.path, UNKNOWN)
            self.mutants.append(
                Mutant(encode(replace(base.root, path, 1)), path, "unknown", fitting=False, owner=shape.name)
            )
        for name, member in shape.members.items():
            path = (*base.path, name)
            if value.get(name) is not None:
                required = member.required or shape.is_tagged
                self._look(Base(base.root, path, member.shape, shape.name, required), value[name])
            elif self._is_new(shape.name, f"{name} added"):
                added = sample(member.shape, name)
                root = replace(base.root, path, added)
                if shape.is_tagged:
                    root = replace(base.root, base.path, {name: added}, insert=True)
                self.bases.append(Base(root, path, member.shape, shape.name, member.required or shape.is_tagged))

    def _add_alternatives(self, base: Base, value: Any) -> None:
        """
        Put every other kind of value in the place, in a list beside the one that is there.
        """
        for inner in base.shape.inner:
            if not self._is_new(f"{base.owner}/{base.shape.name}", inner.name) or fits(inner, value):
                continue
            root = replace(base.root, base.path, sample(inner), insert=bool(base.path))
            self.bases.append(Base(root, base.path, inner, base.owner, base.required))

    def _change(self, base: Base, values: tuple[Any, ...]) -> None:
        in_list = isinstance(base.path[-1], int)
        for value in values:
            if value is GONE and in_list:
                continue
            missing = value is GONE or (value is None and not in_list)
            fitting = not base.required if missing else fits(base.shape, value)
            root = replace(base.root, base.path, value)
            # What one kind of object forbids may make it another kind, and right again.
            fitting = fitting or fits(self._schema, root)
            self.mutants.append(Mutant(encode(root), base.path, describe(value), fitting, base.owner))

    def _is_new(self, owner: str, name: str) -> bool:
        key = (owner, name)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True


def replace(root: Any, path: Path, value: Any, *, insert: bool = False) -> Any:
    """
    Copy a body with another value at a path; the rest is shared. With `insert`, a list grows by it.
    """
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(root, list):
        assert isinstance(step, int)
        inner = replace(root[step], rest, value, insert=insert)
        return [*root[:step], inner, *root[step + (0 if insert and not rest else 1) :]]
    changed = dict(root)
    if value is GONE and not rest:
        changed.pop(step, None)
    else:
        changed[step] = replace(root.get(step), rest, value, insert=insert)
    return changed


def encode(value: Any) -> bytes:
    """
    Write JSON in which half of a surrogate pair is an escape.
    """
    return json.dumps(value).encode()


def describe(value: Any) -> str:
    """
    Write a value for a person.
    """
    return "missing" if value is GONE else repr(value)[:40]
