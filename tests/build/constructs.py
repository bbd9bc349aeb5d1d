"""Dockerfile constructs as they are met in the wild, each a small build, for comparing builders.

Every one is built from the context that `CONTEXT` describes and the local images of `tests/build/test_peers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

LINK = "link to "
REFUSED = 125  # podman's exit code for a build that cannot be done; docker's and ours is 1
NO_HEREDOCS = "buildah 1.28 knows no here-documents"
REFUSES = "podman exits with 125 where docker and we exit with 1"
CONTEXT: Mapping[str, str] = {
    # path (a + at the end: executable) → content, or the target of a symlink
    "hello.txt": "hello\n",
    "with space.txt": "space\n",
    "package.json": '{"name": "app"}\n',
    "package-lock.json": "{}\n",
    "requirements.txt": "nothing\n",
    "entrypoint.sh+": "#!/bin/sh\nexec \"$@\"\n",
    "src/main.py": "print('main')\n",
    "src/lib/util.py": "pass\n",
    "src/lib/data.bin": "\x00\x01",
    "src/.hidden": "hidden\n",
    "src/link": f"{LINK}main.py",
    "conf/a.conf": "a\n",
    "conf/b.conf": "b\n",
    "conf/sub/c.conf": "c\n",
    "node_modules/left/index.js": "never\n",
    "current": f"{LINK}src",
    "escape": f"{LINK}/etc/hostname",
    "secret.txt": "s3cret",
}


class Construct:
    """One build. `flags` go before the context; `files` beside those of CONTEXT.

    `theirs` says the same in the words of a peer that does not know these, `why` then says what it lacks; a build that
    must fail has its exit code in `code`, and the peer's in `their_code` if that is another one. `except_for` are the
    fields of the image config (or "tree:PATH") that differ, and `why` says how.
    """

    def __init__(self, name: str, text: str, *, flags: tuple[str, ...] = (), files: Mapping[str, str] | None = None,
                 theirs: str = "", code: int = 0, their_code: int | None = None, except_for: tuple[str, ...] = (),
                 why: str = "") -> None:  # fmt: skip
        self.name = name
        self.text = text
        self.flags = flags
        self.files = files or {}
        self.theirs = theirs or text
        self.code = code
        self.their_code = code if their_code is None else their_code
        self.except_for = except_for
        self.why = why
        assert bool(why) == bool(theirs or except_for or self.their_code != code), name


BOX = "FROM localhost/box:1\n"
CONSTRUCTS = [
    # What every project has
    Construct("copy all, then run", BOX + "WORKDIR /app\nCOPY . .\nRUN ls -R > /listing\n"),
    Construct("dependencies first, for the cache",
              BOX + "WORKDIR /usr/src/app\nCOPY package*.json ./\nRUN cat package*.json > installed\nCOPY . .\n"
              'EXPOSE 8080\nCMD [ "node", "server.js" ]\n',
              files={".dockerignore": "node_modules\n*.md\n"}),
    Construct("one RUN of many lines",
              BOX + "RUN set -eux; \\\n    mkdir -p /opt/tool; \\\n    # a comment in between\n"
              "    echo 1 > /opt/tool/version; \\\n\n    rm -rf /tmp/*\n"),
    Construct("entrypoint script with a default command",
              BOX + "COPY entrypoint.sh /usr/local/bin/\n"
              'ENTRYPOINT ["entrypoint.sh"]\nCMD ["serve", "--port=80"]\n'),
    Construct("shell forms", BOX + "ENTRYPOINT exec top -b\nCMD echo $HOME && ls\n"),
    Construct("a user of one's own",
              BOX + "RUN echo web:x:1234:1234::/data:/bin/sh >> /etc/passwd && mkdir /data && chown web /data\n"
              "USER web\nWORKDIR /data\n"
              "RUN id -u > who && touch mine\n"),
    Construct("numeric user and group", BOX + "USER 1000:1000\nRUN id > /tmp/id\n"),
    Construct("labels of OCI",
              BOX + 'LABEL org.opencontainers.image.title="A tool" \\\n      org.opencontainers.image.licenses=MIT\n'
              "LABEL old form of one\nLABEL \"quoted key\"=\"quoted value\" multi='single $quotes'\n"),
    Construct("environment of several on one line",
              BOX + 'ENV A=1 B="two words" C=three\\ words D=$A\nENV E $B and more\n'
              "RUN env | grep -E '^[A-E]=' | sort > /env\n"),
    Construct("path put in front", BOX + "ENV PATH=/opt/bin:$PATH\nRUN echo $PATH > /path\n"),
    Construct("maintainer of old", BOX + "MAINTAINER Some Body <some@body.example>\n"),
    Construct("ports and volumes",
              BOX + 'EXPOSE 80 443/tcp 53/udp\nEXPOSE 8000-8002\nVOLUME /data\nVOLUME ["/var/log", "/srv/db"]\n',
              except_for=("ExposedPorts", "tree:srv/db", "tree:var/log"),
              why="docker and we name each port of a range, buildah the range; buildah makes volumes' directories"),
    Construct("stop signal and health check",
              BOX + "STOPSIGNAL SIGQUIT\n"
              "HEALTHCHECK --interval=5m --timeout=3s --start-period=1s --retries=2 \\\n"
              "  CMD wget -q http://localhost/ || exit 1\n"),
    Construct("health check in exec form, then none", BOX + 'HEALTHCHECK CMD ["true", "x"]\nHEALTHCHECK NONE\n'),
    Construct("another shell", BOX + 'SHELL ["/bin/sh", "-euc"]\nRUN echo $0 > /shell\nCMD echo done\n',
              except_for=("Cmd",), why="buildah's CMD has /bin/sh -c whatever SHELL says, docker's and ours has it"),
    Construct("working directories of a user, named and numbered",
              BOX + "USER app\nWORKDIR /w1/x\nUSER 12345\nWORKDIR /w2\nUSER 12:34\nWORKDIR /w3\nUSER app:99\n"
              "WORKDIR /w4\nWORKDIR ../home/app/./new//a/\nRUN pwd > /tmp/pwd\n"),
    Construct("written to a volume after it was declared",
              BOX + "RUN mkdir /v && echo before > /v/f\nVOLUME /v\nRUN echo after > /v/f\nCOPY hello.txt /v/\n",
              except_for=("tree:v/f",), why="buildah forgets what a RUN writes to a volume, docker and we keep it"),
    Construct("quotes of all kinds in labels",
              BOX + "LABEL a=\"x y\" b='single \"dq\" $HOME' c=back\\ slash \"k e y\"=v d=\"multi\\\nline\" e=\n"
              'LABEL f=$PATH g="${NOPE:-n}" com.example.x="a=b"\n'),
    Construct("ends of lines and tabs of Windows", BOX[:-1] + "\r\nRUN\techo hi > /t\r\nENV A=1\r\nCMD [\"x\"]\r\n"),
    Construct("JSON that is none is a shell's", BOX + "CMD ['a', 'b']\nENTRYPOINT [a]\n"),
    # Stages
    Construct("build here, run there",
              BOX[:-1] + " AS build\nWORKDIR /src\nCOPY src .\nRUN mkdir out && cat main.py lib/util.py > out/app\n"
              "FROM localhost/box:1\nCOPY --from=build /src/out/app /usr/local/bin/app\nCMD [\"app\"]\n"),
    Construct("a static program from scratch",
              BOX[:-1] + " AS build\nRUN mkdir /out && cp /bin/busybox /out/tool\n"
              "FROM scratch\nCOPY --from=build /out/tool /tool\nENTRYPOINT [\"/tool\"]\n"),
    Construct("stages by number", BOX + "RUN echo 0 > /zero\n" + BOX + "COPY --from=0 /zero /from-zero\n"),
    Construct("a stage on a stage",
              BOX[:-1] + " AS base\nENV X=1\nRUN echo base > /base\nFROM base AS test\nRUN exit 1\nFROM base\n"
              "RUN echo $X > /x\n"),
    Construct("a target", BOX[:-1] + " AS dev\nRUN echo dev > /dev-only\nFROM dev AS prod\nRUN exit 3\n",
              flags=("--target=dev",)),
    Construct("a target by its number",
              BOX + "RUN echo 0 > /zero\nFROM scratch AS one\nCOPY --from=0 /zero /\nFROM nosuch\n",
              flags=("--target=1",), theirs=BOX + "RUN echo 0 > /zero\nFROM scratch AS 1\nCOPY --from=0 /zero /\n",
              why="buildah knows targets by their names alone"),
    Construct("triggers that set triggers",
              "FROM localhost/triggers:1 AS mid\nONBUILD RUN echo again > /again\nONBUILD ENV Z=1\n"
              "ONBUILD WORKDIR /onb\nFROM mid\nRUN echo $Z > z\n"),
    Construct("files of another image", "FROM scratch\nCOPY --from=localhost/box:1 /etc/passwd /etc/group /etc/\n"),
    Construct("a directory of a stage, with links and owners",
              BOX[:-1] + " AS a\nRUN mkdir -p /t/d && cd /t && echo 1 > f && ln -s f s && ln f h && chown 7:8 d f && "
              "chmod 4755 f && chmod 700 d\n" + BOX + "COPY --from=a /t /copied\n"),
    Construct("a directory of a stage whose attributes stay there",
              BOX[:-1] + " AS a\nRUN mkdir -p /o/sub && chmod 700 /o && chown 7:8 /o /o/sub && chmod 711 /o/sub\n" +
              BOX + "COPY --from=a /o /s\nCOPY --from=a /o/ /deep/t/\nCOPY --from=a --chown=5:6 /o /u\n"
              "COPY --from=a --chmod=711 /o /v\n"),
    # Variables
    Construct("an argument with a default", BOX + "ARG V=1.2\nENV VERSION=$V\nRUN echo $V > /v\n"),
    Construct("an argument given", BOX + "ARG V=1.2\nARG W\nRUN echo $V $W > /v\n",
              flags=("--build-arg=V=9", "--build-arg", "W=w")),
    Construct("an argument in FROM",
              "ARG TAG=1\nARG BASE=localhost/box\nFROM ${BASE}:${TAG}\nARG TAG\nRUN echo $TAG-$BASE > /tag\n"),
    Construct("an argument under an environment variable",
              BOX + "ARG USER_NAME=arg\nENV USER_NAME=env\nRUN echo $USER_NAME > /n\n",
              flags=("--build-arg=USER_NAME=given",)),
    Construct("defaults and alternatives", BOX + "ARG A\nENV B=${A:-none} C=${B:+some} D=${E:-} F=\\$B G='$B'\n"),
    Construct("platform arguments", BOX + "ARG TARGETARCH\nARG TARGETOS\nRUN echo $TARGETOS/$TARGETARCH > /platform\n"),
    Construct("a build argument that nothing declares", BOX + "RUN echo 1 > /one\n", flags=("--build-arg=NO=1",)),
    Construct("a variable in COPY and WORKDIR",
              BOX + "ENV DIR=/opt/x\nWORKDIR $DIR/sub\nCOPY src ${DIR}/src\nUSER ${NOBODY:-app}\n"),
    # COPY and ADD
    Construct("a file to a file, a file to a directory", BOX + "COPY hello.txt /a\nCOPY hello.txt /b/\n"),
    Construct("a directory copies its content", BOX + "COPY src /srv/app\nCOPY src/ /srv/app2/\n"),
    Construct("patterns", BOX + "COPY conf/*.conf /etc/app/\nCOPY package?lock.json /l/\nCOPY [sr]*c /x/\n"),
    Construct("names with spaces", BOX + 'COPY ["with space.txt", "/a dir/"]\n'),
    Construct("several sources", BOX + "COPY hello.txt requirements.txt src/lib /all/\n"),
    Construct("relative to the working directory", BOX + "WORKDIR /a/b\nCOPY hello.txt ../c\nCOPY hello.txt d/\n"),
    Construct("owner by name", BOX + "COPY --chown=app:app src /home/app/src\n"),
    Construct("owner by number", BOX + "COPY --chown=55:66 hello.txt /a/b/\n"),
    Construct("modes", BOX + "COPY --chmod=755 hello.txt /bin/hello\n"),
    Construct("a link in the context", BOX + "COPY current /current\nCOPY src/link /f\n"),
    Construct("a destination that is a link to a directory", BOX + "RUN ln -s /srv /www\nCOPY hello.txt /www/\n"),
    Construct("a destination that is a link to a file",
              BOX + "RUN ln -s hello /l && echo x > /hello\nCOPY hello.txt /l\n",
              except_for=("tree:hello", "tree:l"), why="buildah replaces the link to a file, docker and we the file"),
    Construct("several patterns and sources", BOX + "COPY c*/*.conf [h]ello.txt src/lib/*.py requirements.??? /d/\n"
              "COPY conf/[!a]* /negated/\nCOPY src/.h* /hidden/\n"),
    Construct("over what is there", BOX + "RUN mkdir -p /d && echo old > /d/main.py\nCOPY src /d\n"),
    Construct("an archive is unpacked", BOX + "ADD archive.tar.gz /opt/\n"),
    Construct("an archive copied stays one", BOX + "COPY archive.tar.gz /opt/\n"),
    Construct("ADD of plain files", BOX + "ADD hello.txt src /added/\n"),
    Construct("what .dockerignore says",
              BOX + "COPY . /all\n",
              files={".dockerignore": "# what is not wanted\n**/*.py\n!src/main.py\nconf/sub\n/hello.txt\n*.tar.gz\n"}),
    # RUN
    Construct("exec form", BOX + 'RUN ["sh", "-c", "echo $HOME > /exec"]\n'),
    Construct("a file removed, a directory made anew",
              BOX + "RUN mkdir -p /d/old && touch /d/f /g\nRUN rm -r /d /g /etc/group && mkdir /d && touch /d/new\n"),
    Construct("special files", BOX + "RUN mkfifo /p && ln -s nowhere /dangling && mkdir -m 1777 /sticky && touch -t "
              "200001010000 /old\n"),
    Construct("a cache for a package manager",
              BOX + "RUN --mount=type=cache,target=/root/.cache echo 1 > /root/.cache/x && echo ok > /ok\n"),
    Construct("a secret", BOX + "RUN --mount=type=secret,id=token cat /run/secrets/token | tr a-z A-Z > /out\n",
              flags=("--secret=id=token,src=secret.txt",), except_for=("tree:run/secrets",),
              why="buildah leaves the mount point of a secret in the image"),
    Construct("a bind mount of the context and of a stage",
              BOX[:-1] + " AS a\nRUN echo a > /a\n" + BOX +
              "RUN --mount=type=bind,target=/ctx cat /ctx/hello.txt > /h\n"
              "RUN --mount=type=bind,from=a,source=/a,target=/mnt/a cat /mnt/a > /got\n",
              except_for=("tree:mnt",), why="buildah leaves the mount point in the image"),
    Construct("a tmpfs", BOX + "RUN --mount=type=tmpfs,target=/scratch touch /scratch/x && ls /scratch > /seen\n"),
    Construct("no network", BOX + "RUN --network=none echo 1 > /one\n",
              theirs=BOX + "RUN echo 1 > /one\n", why="buildah 1.28 knows no RUN --network"),
    # Here-documents
    Construct("a script in a here-document", BOX + "RUN <<EOF\nset -e\necho one > /one\necho two > /two\nEOF\n",
              theirs=BOX + "RUN set -e; echo one > /one; echo two > /two\n", why=NO_HEREDOCS),
    Construct("a file in a here-document",
              BOX + "ENV WHO=me\nCOPY <<EOF /etc/app.conf\nuser=$WHO\nEOF\nCOPY <<'EOF' /raw\n$WHO\nEOF\n",
              theirs=BOX + "ENV WHO=me\nRUN echo user=$WHO > /etc/app.conf; echo '$WHO' > /raw\n", why=NO_HEREDOCS),
    # Directives, triggers, options
    Construct("another escape character", "# escape=`\n" + BOX + "RUN echo a `\n && echo b > /b\n"),
    Construct("directives, comments, lower case",
              "# syntax=docker/dockerfile:1\n# a comment\n\nfrom localhost/box:1 as x\nrun echo 1 > /one\nlabel a=b\n"),
    Construct("triggers of the base", "FROM localhost/triggers:1\nRUN echo child > /child\n"),
    Construct("a base with everything set",
              "FROM localhost/set:1\nENTRYPOINT [\"new\"]\nENV A=changed\nRUN pwd > /tmp/pwd; id -u >> /tmp/pwd\n",
              except_for=("Env", "tree:var/data"),
              why="a variable set anew stays in its place, as docker has it; buildah makes volumes' directories"),
    Construct("labels and squashing by flags", BOX + "RUN echo 1 > /f\nRUN rm /f; echo 2 > /g\n",
              flags=("--squash", "--label=a=b", "--label", "c=d e")),
    # What must fail
    Construct("a step that fails", BOX + "RUN exit 3\n", code=3),
    Construct("a program that is not there", BOX + "RUN nosuchprogram\n", code=127),
    Construct("a file that is not there", BOX + "COPY nosuch /\n", code=1, their_code=REFUSED, why=REFUSES),
    Construct("a file out of the context", BOX + "COPY ../outside /\n", code=1, their_code=REFUSED, why=REFUSES),
    Construct("an instruction that there is not", BOX + "COPPY a b\n", code=1, their_code=REFUSED, why=REFUSES),
    Construct("a base that there is not", "FROM localhost/nosuch:1\n", code=1, their_code=REFUSED, why=REFUSES),
    Construct("a target that there is not", BOX, flags=("--target=nosuch",), code=1, their_code=REFUSED, why=REFUSES),
    Construct("no FROM", "RUN true\n", code=1, their_code=REFUSED, why=REFUSES),
]  # fmt: skip
