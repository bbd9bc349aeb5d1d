"""The Dockerfile's parser: lines, directives, here-documents, flags, forms, stages, and errors that quote the line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringfence.build.dockerfile import GRAMMAR, Dockerfile, Instruction
from ringfence.build.lines import Lines
from ringfence.errors import InvalidInput


def parse(text: str) -> Dockerfile:
    return Dockerfile(text.encode())


def only(text: str) -> Instruction:
    """The one instruction of a stage."""
    (found,) = parse(f"FROM x\n{text}").stages[0].instructions
    return found


def test_a_line_goes_on_behind_a_backslash_over_comments_and_empty_lines() -> None:
    found = only("RUN a \\\n# a comment\n\n  # another\n  && b \\  \n c\n")
    assert found.text == "a   && b  c"
    assert found.line.number == 2


def test_two_backslashes_do_not_continue_a_line() -> None:
    assert [each.text for each in parse("FROM x\nRUN a \\\\\nRUN b").stages[0].instructions] == ["a \\\\", "b"]


def test_windows_line_ends_and_a_byte_order_mark_are_no_part_of_anything() -> None:
    found = Dockerfile(b"\xef\xbb\xbfFROM x\r\nRUN a \\\r\n b\r\n")
    assert found.stages[0].instructions[0].text == "a  b"


def test_directives_stand_before_everything_else() -> None:
    found = Lines(b"# syntax=docker/dockerfile:1\n#escape=`\n# check=skip=all\nFROM x\n# syntax=y", "F")
    assert found.directives == {"syntax": "docker/dockerfile:1", "escape": "`", "check": "skip=all"}


def test_the_escape_directive_counts_from_the_next_line_on() -> None:
    found = parse("# escape=`\nFROM x\nRUN a `\n b\nRUN c:\\\n").stages[0].instructions
    assert [each.text for each in found] == ["a  b", "c:\\"]


def test_a_comment_ends_the_directives() -> None:
    assert Lines(b"# just so\n# escape=`\nFROM x", "F").escape == "\\"


@pytest.mark.parametrize("text", ["# escape=x\nFROM x", "# escape=`\n# escape=`\nFROM x"])
def test_a_wrong_directive_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^Dockerfile:\d: # escape"):
        parse(text)


def test_here_documents_follow_their_line_in_order() -> None:
    found = only("COPY <<A <<-'B' /x/\n$a\nA\n\tb\n\t\tc\n\tB\n")
    assert [(each.name, each.content, each.expand) for each in found.heredocs] == [
        ("A", "$a\n", True), ("B", "b\nc\n", False),
    ]  # fmt: skip


def test_what_looks_like_an_instruction_in_a_here_document_is_text() -> None:
    found = parse("FROM x\nRUN <<EOF\nFROM y\n# no comment\nEOF\nRUN b").stages
    assert len(found) == 1
    assert found[0].instructions[0].heredocs[0].content == "FROM y\n# no comment\n"


def test_shifts_and_other_instructions_have_no_here_documents() -> None:
    assert only("RUN echo $((1<<2))").heredocs == []
    assert only('CMD cat <<EOF').heredocs == []


def test_a_here_document_that_does_not_end_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^Dockerfile:2: RUN <<EOF: the here-document does not end: no line EOF$"):
        parse("FROM x\nRUN <<EOF\na\n EOF\n")


@pytest.mark.parametrize(
    ("text", "exec", "words"),
    [
        ('RUN ["a", "b c"]', True, ["a", "b c"]),
        ("RUN ['a']", False, ["['a']"]),
        ("RUN [ -f x ] && y", False, ["[ -f x ] && y"]),
        ("CMD []", True, []),
        ('ENTRYPOINT ["a", 1]', False, ['["a", 1]']),
        ('COPY ["a b", "c"]', True, ["a b", "c"]),
        ('COPY "a b" c\\ d /e', False, ['"a b"', "c\\ d", "/e"]),
        ("VOLUME /a /b", False, ["/a", "/b"]),
        ("CMD --help", False, ["--help"]),
    ],
)
def test_json_and_shell_forms(text: str, exec: bool, words: list[str]) -> None:
    found = only(text)
    assert (found.exec, found.words) == (exec, words)


def test_flags_stand_before_the_arguments() -> None:
    found = only("RUN --mount=type=cache,target=/a --mount=type=tmpfs,target=/b --network=none go --x")
    assert found.flags == {"mount": ["type=cache,target=/a", "type=tmpfs,target=/b"], "network": ["none"]}
    assert found.text == "go --x"
    assert only("COPY --link --chown=1:2 a b").switch("link")
    assert not only("COPY --link=false a b").switch("link")


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("ENV a b c", [("a", "b c")]),
        ("ENV a=1 b='x y' c=$d", [("a", "1"), ("b", "'x y'"), ("c", "$d")]),
        ("LABEL a=1 \\\n  b=2", [("a", "1"), ("b", "2")]),
        ("ARG a b=2", [("a", None), ("b", "2")]),
    ],
)
def test_names_and_values(text: str, pairs: list[tuple[str, str | None]]) -> None:
    assert only(text).pairs == pairs


def test_stages_have_names_and_numbers() -> None:
    found = parse("ARG v=1\nFROM --platform=linux/amd64 a:$v AS One\nFROM one\nFROM scratch as three")
    assert [(each.base, each.name) for each in found.stages] == [("a:$v", "one"), ("one", ""), ("scratch", "three")]
    assert found.stage("ONE") is found.stages[0]
    assert found.stage("1") is found.stages[1]
    assert found.stage("2", before=2) is None
    assert [each.pairs for each in found.arguments] == [[("v", "1")]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Dockerfile: has no FROM: there is nothing to build"),
        ("RUN a", "Dockerfile:1: RUN a: only ARG may stand before the first FROM"),
        ("FROM x\nRUNN a", "Dockerfile:2: RUNN a: unknown instruction RUNN (did you mean RUN?)"),
        ("FROM x\n\nRUN", "Dockerfile:3: RUN: RUN needs an argument"),
        ("FROM x y", "Dockerfile:1: FROM x y: FROM takes an image, or an image AS a name"),
        ("FROM x AS 9", 'Dockerfile:1: FROM x AS 9: "9" is no name for a stage: it must match [a-z][a-z0-9-_.]*'),
        ("FROM x AS a\nFROM y AS A", "Dockerfile:2: FROM y AS A: there is a stage a already"),
        ("FROM x\nCOPY a", "Dockerfile:2: COPY a: needs a source and a destination"),
        ("FROM x\nCOPY --chowm=1 a b", "Dockerfile:2: COPY --chowm=1 a b: unknown flag --chowm "
         "(COPY has: --chown --chmod --link --exclude --from --parents)"),
        ("FROM x\nCOPY --from a b", "Dockerfile:2: COPY --from a b: --from needs a value"),
        ("FROM x\nENV a", "Dockerfile:2: ENV a: ENV needs NAME=VALUE"),
        ("FROM x\nENV a=1 b", "Dockerfile:2: ENV a=1 b: b is not NAME=VALUE"),
        ("FROM x\nSHELL bash", 'Dockerfile:2: SHELL bash: SHELL needs the JSON form, like ["/bin/bash", "-c"]'),
        ("FROM x\nONBUILD FROM y", "Dockerfile:2: ONBUILD FROM y: FROM is not allowed as an ONBUILD trigger"),
        ("FROM x\nONBUILD RUN", "Dockerfile:2: RUN: RUN needs an argument"),
        ("FROM x\nHEALTHCHECK curl", "Dockerfile:2: HEALTHCHECK curl: HEALTHCHECK needs NONE, or CMD and a command"),
        ("FROM x\nSTOPSIGNAL a b", "Dockerfile:2: STOPSIGNAL a b: STOPSIGNAL takes one argument"),
    ],
)  # fmt: skip
def test_an_error_quotes_the_line_with_its_number(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("content", [b"FROM \xff", b"FROM x\0", b"FROM x\n" + b"#" * (17 << 20)])
def test_what_is_no_text_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"^Dockerfile: "):
        Dockerfile(content)


pieces = ["from", "AS", "ONBUILD RUN", "<<EOF", "<<-'X'", "EOF", "X", '["a"]', "--from=x", "--mount=type=bind", "a=b"]
marks = ["'", '"', "\\\n", "\n", "\n", "# escape=`\n", "#", "$x", "[", "]", "\t", "{"]
keywords = st.sampled_from([*GRAMMAR, *pieces, *marks])


@settings(max_examples=300)
@given(st.lists(keywords | st.text(max_size=5), max_size=40).map(" ".join))
def test_any_text_is_a_dockerfile_or_one_clear_line(text: str) -> None:
    # Invariant: parsing ends in stages whose every instruction stands on a line of the text, or in InvalidInput with
    # one line that begins with the file's name; nothing else is ever raised.
    try:
        found = parse(text)
    except InvalidInput as error:
        assert str(error).startswith("Dockerfile")
        assert "\n" not in str(error)
        return
    assert found.stages
    lines = text.count("\n") + 1
    numbers = [each.line.number for stage in found.stages for each in (stage.origin, *stage.instructions)]
    assert numbers == sorted(numbers)
    assert all(1 <= number <= lines for number in numbers)
