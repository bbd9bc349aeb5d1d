"""Go templates; expected texts are those that Go's text/template and docker's functions give."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ringfence.cli.template import Template, TemplateError

CONTAINER: dict[str, Any] = {
    "Id": "abc",
    "Name": "/web",
    "Label": lambda name: f"<{name}>",
    "State": {"Running": True, "ExitCode": 0, "Health": None},
    "Config": {"Env": ["A=1", "B=2"], "Labels": {"tier": "front", "com.example": "x"}, "Cmd": None},
    "Ports": {"80/tcp": [{"HostPort": "8080"}]},
    "Size": 1234,
    "Load": 0.5,
}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{.Name}}", "/web"),
        ("{{ .State.Running }} {{.Size}} {{.Load}}", "true 1234 0.5"),
        ("{{.ID}}", "abc"),
        ("{{.Config.Env}} {{.Config.Labels}}", "[A=1 B=2] map[com.example:x tier:front]"),
        ("{{.Config.Cmd}} {{len .Config.Cmd}} {{json .Config.Cmd}}", "[] 0 null"),
        ("{{.Config.Labels.tier}} {{.Config.Labels.none}}", "front <no value>"),
        ('{{index .Config.Labels "com.example"}}|{{index .Config.Labels "none"}}', "x|"),
        ('{{(index (index .Ports "80/tcp") 0).HostPort}}', "8080"),
        ('{{.Label "a.b"}}', "<a.b>"),
        ("{{json .Config.Env}} {{json .Config.Cmd}}", '["A=1","B=2"] null'),
        ("{{.Config.Env | json}}", '["A=1","B=2"]'),
        ('{{join .Config.Env ", "}} {{upper .Name}} {{lower "ABC"}} {{title "ab cd"}}', "A=1, B=2 /WEB abc Ab Cd"),
        ('{{split "a,b" ","}} {{len .Config.Env}} {{slice .Name 1}} {{truncate .Name 2}}', "[a b] 2 web /w"),
        ('{{pad "x" 2 1}}|', "  x |"),
        ('{{printf "%-5s|%5d|%05d|%q|%v|%t|%x" .Id .Size 42 "a\\"b" .Config.Env true 255}}',
         'abc  | 1234|00042|"a\\"b"|[A=1 B=2]|true|ff'),
        ('{{printf "%.1f %d%% %d" .Load 5 "x"}}', "0.5 5% %!d(string=x)"),
        ('{{printf "%s"}} {{printf "a" 1}}', "%!s(MISSING) a%!(EXTRA int=1)"),
        ('{{print "a" 1 2 "b"}} {{println "a" 1}}', "a1 2b a 1\n"),
        ("{{if .State.Running}}up{{else}}down{{end}}", "up"),
        ("{{if .State.ExitCode}}bad{{else if eq .Size 1234}}same{{else}}other{{end}}", "same"),
        ("{{range .Config.Env}}<{{.}}>{{end}}", "<A=1><B=2>"),
        ("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "com.example=x;tier=front;"),
        ("{{range $i, $e := .Config.Env}}{{if $i}},{{end}}{{$e}}{{end}}", "A=1,B=2"),
        ("{{range .Config.Cmd}}x{{else}}none{{end}}", "none"),
        ("{{range $e := .Config.Env}}{{if eq $e \"B=2\"}}{{break}}{{end}}{{$e}}{{end}}", "A=1"),
        ("{{range $e := .Config.Env}}{{if eq $e \"A=1\"}}{{continue}}{{end}}{{$e}}{{end}}", "B=2"),
        ("{{with .State}}{{.Running}}{{$.Name}}{{end}}{{with .Config.Cmd}}x{{else}}y{{end}}", "true/weby"),
        ("{{$n := .Name}}{{$n}}{{$n = \"z\"}}{{$n}}", "/webz"),
        ("{{$m := .State}}{{$m.Running}}", "true"),
        ("a {{- .Id -}} b {{/* no */ -}}  c", "aabcb c"),
        ("{{and .Size .Name}} {{or .Config.Cmd .Id}} {{not .Size}}", "/web abc false"),
        ("{{if and .Config.Cmd (index .Config.Cmd 5)}}x{{end}}", ""),
        ("{{eq .Id \"x\" \"abc\"}} {{ne 1 2}} {{lt 1 2}} {{ge 1 2}} {{gt \"b\" \"a\"}}", "true true true false true"),
        ("{{`raw {{`}} {{\"tab\\t\"}}.", "raw {{ tab\t."),
        ("{{urlquery \"a b\"}} {{html \"<\"}}", "a+b &lt;"),
        ("{{true}} {{-3}} {{1.5}} {{0x10}}", "true -3 1.5 16"),
    ],
)  # fmt: skip
def test_a_template_gives_what_go_gives(source: str, text: str) -> None:
    assert Template(source).execute(CONTAINER) == text


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("{{", "template: :1: unclosed action"),
        ("{{.A", "template: :1: unclosed action"),
        ("a\n{{foo}}", 'template: :2: function "foo" not defined'),
        ("{{if .A}}", "template: :1: unexpected EOF"),
        ("{{end}}", "template: :1: unexpected {{end}}"),
        ("{{else}}", "template: :1: unexpected {{else}}"),
        ("{{$x}}", 'template: :1: undefined variable "$x"'),
        ("{{range .A}}{{$x := .}}{{end}}{{$x}}", 'template: :1: undefined variable "$x"'),
        ("{{}}", "template: :1: unexpected missing value for command"),
        ("{{.A | 1}}", "template: :1: unexpected non executable command in pipeline"),
        ('{{"a}}', "template: :1: unterminated quoted string"),
        ("{{/* a}}", "template: :1: unclosed comment"),
        ("{{break}}", "template: :1: unexpected {{break}} outside {{range}}"),
        ('{{define "x"}}{{end}}', "template: :1: {{define}} is not supported"),
        ("{{1a}}", "template: :1: bad number syntax: 1a"),
    ],
)
def test_a_wrong_template_is_refused_with_its_line(source: str, complaint: str) -> None:
    with pytest.raises(TemplateError) as raised:
        Template(source)

    assert raised.value.what == complaint


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("{{.Frob}}", 'template: :1:2: executing "" at <.Frob>: map has no entry for key "Frob"'),
        ("x\n {{.State.Frob}}", 'template: :2:3: executing "" at <.State.Frob>: map has no entry for key "Frob"'),
        ("{{.State.Health.X}}", 'template: :1:2: executing "" at <.State.Health.X>: nil data; no entry for key "X"'),
        ("{{.Name.Foo}}", "template: :1:2: executing \"\" at <.Name.Foo>: can't evaluate field Foo in type string"),
        ("{{index .Config.Env 9}}",
         'template: :1:2: executing "" at <index>: error calling index: index out of range: 9'),
        ("{{range .Name}}{{end}}", "template: :1:8: executing \"\" at <.Name>: range can't iterate over /web"),
        ("{{lt 1 .Name}}", 'template: :1:2: executing "" at <lt>: error calling lt: incompatible types for comparison'),
        ("{{.Label}}", 'template: :1:2: executing "" at <.Label>: wrong number of args'),
        ("{{.Name 1}}", "template: :1:2: executing \"\" at <.Name>: can't give argument to non-function"),
        ('{{pad "x" 99999999 0}}',
         'template: :1:2: executing "" at <pad>: error calling pad: width 99999999 is out of range'),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named_with_its_place(source: str, complaint: str) -> None:
    with pytest.raises(TemplateError) as raised:
        Template(source).execute(CONTAINER)

    assert raised.value.what == complaint


def test_the_fields_that_a_template_uses_are_known_before_it_runs() -> None:
    assert Template('{{.ID}}{{if .Size}}{{$.State.Running}}{{end}}{{printf "%s" .Names}}').fields == {
        "ID", "Size", "State", "Names",
    }  # fmt: skip


FRAGMENTS = st.sampled_from([
    "{{", "}}", "{{-", "-}}", ".", ".Name", ".State", ".Config.Env", "$", "$x", ":=", "=", "|", "(", ")", ",", " ",
    " ", " ",
    "if", "else", "end", "range", "with", "break", "continue", "index", "printf", "json", "len", "and", "eq", "slice",
    '"%05d"', '"%9999999999d"', '"a', "`b`", "1", "-1", "99999999999999999999", "1.5", "true", "nil", "/*", "*/", "\n",
    "{{end}}", "{{range .Config.Env}}", "{{if .Name}}", "x",
])  # fmt: skip


@given(st.one_of(st.text(max_size=30), st.lists(FRAGMENTS, max_size=16).map("".join)))
@example("{{" + "(" * 5000)
@example("{{if .Name}}" * 5000)
@example('{{printf "%*d" 1 2}}')
def test_any_text_is_a_template_or_is_refused(source: str) -> None:
    # Invariant: a template parses and executes to text, or TemplateError says in one line what is wrong; nothing else.
    try:
        text = Template(source).execute(CONTAINER)
    except TemplateError as error:
        assert error.what.startswith("template: :")
        return
    assert len(text) < 1_000_000
    if "{{" not in source:
        assert text == source
