"""The life of a baseline: written, kept through edits, broken by what is new, and outgrown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from audit_runs import DROPPED, SOUND, Project, Ran, project_in

TWICE = f"{DROPPED}    asyncio.create_task(work())\n"
BASELINE = "--baseline=known.json"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    made = project_in(tmp_path, monkeypatch, capsys)
    made.write(jobs=DROPPED, pkg__more=TWICE, sound=SOUND)
    ran = made.json(BASELINE, "--update-baseline")
    assert (ran.status, ran.err) == (0, "")
    return made


def entries() -> list[dict[str, Any]]:
    content = json.loads(Path("known.json").read_text(encoding="utf-8"))
    assert content.keys() == {"schema", "tool", "findings"}
    findings: list[dict[str, Any]] = content["findings"]
    return findings


def counted(ran: Ran) -> list[tuple[str, int]]:
    return [(file, line) for file, line, _, hidden in ran.found if not hidden]


def test_it_is_sorted_and_holds_no_line(project: Project) -> None:
    common = {"code": "TLC001", "qualname": "begin", "subject": "work"}
    assert entries() == [{**common, "path": "jobs.py", "count": 1}, {**common, "path": "pkg/more.py", "count": 2}]
    written = Path("known.json").read_bytes()
    assert written.endswith(b"}\n")
    project.json(BASELINE, "--update-baseline", jobs=2)
    assert Path("known.json").read_bytes() == written


def test_known_findings_do_not_count_and_are_shown(project: Project) -> None:
    ran = project.json(BASELINE)
    assert (ran.status, ran.err) == (0, "")
    assert [hidden for *_, hidden in ran.found] == ["baseline"] * 3
    assert ran.report["summary"]["findings"] == 0
    assert [one["suppressed"] for site in ran.report["sites"] for one in site["findings"]] == ["baseline"] * 3
    assert ran.report["stale"] == []
    owned = next(one for one in ran.report["compliance"] if one["name"] == "owned")
    assert owned["holds"] == "no", "what is known is not mended"
    assert project.json().status == 1


def test_an_edit_above_changes_nothing(project: Project) -> None:
    project.write(jobs=f"import os\n\nprint(os.name)\n{DROPPED}".replace("    await", "    # wait\n    await"))
    ran = project.json(BASELINE)
    assert (ran.status, ran.report["stale"]) == (0, [])
    assert ("jobs.py", 13, "TLC001", "baseline") in ran.found


@pytest.mark.parametrize(
    "change",
    [
        {"jobs": TWICE},
        {"pkg__more": f"{TWICE}    asyncio.create_task(work())\n"},
        {"new": DROPPED},
        {"jobs": DROPPED + DROPPED.partition("\n\n\n")[2].replace("begin", "again").replace("work()", "work()")},
    ],
    ids=["one more like it", "one more than were counted", "another file", "another function"],
)
def test_a_new_finding_fails(project: Project, change: dict[str, str]) -> None:
    project.write(**change)
    ran = project.json(BASELINE)
    assert ran.status == 1
    assert len(counted(ran)) == 1
    assert ran.report["stale"] == []


def test_of_equal_findings_the_last_is_the_new_one(project: Project) -> None:
    project.write(pkg__more=f"{TWICE}    asyncio.create_task(work())\n")
    assert counted(project.json(BASELINE)) == [("pkg/more.py", 11)]


def test_a_finding_under_another_name_is_new_and_the_old_entry_stale(project: Project) -> None:
    project.write(jobs=DROPPED.replace("begin", "start"))
    ran = project.json(BASELINE)
    assert (ran.status, counted(ran)) == (1, [("jobs.py", 9)])
    assert ran.report["stale"] == ["TLC001 jobs.py: work in begin"]


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        ({"jobs": SOUND}, "TLC001 jobs.py: work in begin"),
        ({"pkg__more": DROPPED}, "TLC001 pkg/more.py: work in begin (recorded 2, found 1)"),
        ({"jobs": DROPPED.replace("work())", "work())  # noqa: TLC001")}, "TLC001 jobs.py: work in begin"),
    ],
)
def test_a_stale_entry_fails(project: Project, change: dict[str, str], stale: str) -> None:
    project.write(**change)
    ran = project.json(BASELINE)
    assert (ran.status, counted(ran), ran.report["stale"]) == (1, [], [stale])
    assert stale in project.audit(BASELINE).out
    assert any("--update-baseline" in one for one in ran.report["recommendations"])
    assert project.json(BASELINE, "--update-baseline").status == 0
    after = project.json(BASELINE)
    assert (after.status, after.report["stale"]) == (0, [])


def test_the_entry_of_a_deleted_file_is_stale(project: Project) -> None:
    (project.folder / "jobs.py").unlink()
    ran = project.json(BASELINE)
    assert (ran.status, ran.report["stale"]) == (1, ["TLC001 jobs.py: work in begin"])


@pytest.mark.parametrize(
    "arguments", [["pkg"], ["--scope=pkg/**"], ["--exclude=jobs.py"], ["--ignore=TLC001"], ["--select=TLC002"]]
)
def test_what_was_not_looked_for_is_neither_stale_nor_lost(project: Project, arguments: list[str]) -> None:
    project.write(jobs=SOUND)
    before = entries()
    ran = project.json(BASELINE, *arguments)
    assert (ran.status, ran.report["stale"]) == (0, [])
    assert project.json(BASELINE, "--update-baseline", *arguments).status == 0
    assert entries() == before


def test_a_file_that_cannot_be_read_keeps_its_entries(project: Project) -> None:
    project.write(jobs="def (\n")
    ran = project.json(BASELINE, "--update-baseline")
    assert (ran.status, ran.report["stale"]) == (2, [])
    assert [one["path"] for one in entries()] == ["jobs.py", "pkg/more.py"]


def test_an_update_forgets_what_is_mended_and_learns_what_is_new(project: Project) -> None:
    project.write(jobs=SOUND, new=DROPPED, quiet=DROPPED.replace("work())", "work())  # noqa"))
    assert project.json(BASELINE, "--update-baseline").status == 0
    assert [one["path"] for one in entries()] == ["new.py", "pkg/more.py"]


def test_a_clean_project_has_an_empty_baseline(project: Project) -> None:
    project.write(jobs=SOUND, pkg__more=SOUND)
    assert project.json(BASELINE, "--update-baseline").status == 0
    assert entries() == []


def test_an_odd_name_survives(project: Project) -> None:
    project.file("tä\udc80\nsk.py".encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape"), DROPPED)
    assert project.json(BASELINE).status == 1
    assert project.json(BASELINE, "--update-baseline").status == 0
    ran = project.json(BASELINE)
    assert (ran.status, ran.report["stale"]) == (0, [])
    assert "tä\\x80\nsk.py" in [one["path"] for one in entries()]


@pytest.mark.parametrize("jobs", [1, 2])
def test_names_that_are_no_utf_8_survive_in_every_form(project: Project, jobs: int) -> None:
    project.file("f\udcfflder/j\udce4bs.py", DROPPED)
    known = "--baseline=kn\udcffwn.json"
    assert project.audit(known, "--update-baseline", jobs=jobs).status == 0
    forms = ["text", "markdown", "json", "sarif", "github", "html"]
    files = [f"r\udcffport.{form}" for form in forms]
    asked = [part for form, file in zip(forms, files, strict=True) for part in (f"--format={form}", f"--output={file}")]
    ran = project.audit(known, *asked, jobs=jobs)
    assert (ran.status, ran.err.count("\n")) == (0, 1)
    for file in files:
        assert Path(file).is_file()
    report = json.loads(Path("r\udcffport.json").read_text(encoding="utf-8"))
    assert report["stale"] == []
    assert ("f\\xfflder/j\\xe4bs.py", "baseline") in [(one["file"], one["suppressed"]) for one in report["findings"]]


@pytest.mark.parametrize("scope", ["f\udcfflder/**", "f\\xfflder/**", "f?lder", "f????lder"])
def test_a_scope_of_a_name_that_is_no_utf_8(project: Project, scope: str) -> None:
    project.file("f\udcfflder/j\udce4bs.py", DROPPED)
    ran = project.audit(f"--scope={scope}", "--exclude=x\udcff", "--format=json")
    assert ran.status == (2 if scope == "f?lder" else 1)
    assert "udcff" not in ran.out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "this is no JSON: "),
        (b"{", "this is no JSON: "),
        (b"\xff", "'utf-8' codec can't decode byte 0xff"),
        (b"[" * 100_000, "this is no JSON: "),
        (b"[]", "this is no baseline: it has no list 'findings'"),
        (b'{"schema": 1}', "this is no baseline: it has no list 'findings'"),
        (b'{"schema": 1, "findings": {}}', "this is no baseline: it has no list 'findings'"),
        (b'{"findings": []}', "its schema is None, and this version reads 1"),
        (b'{"schema": 2, "findings": []}', "its schema is 2, and this version reads 1"),
        (b'{"schema": 1, "findings": [1]}', "finding 1 is no object"),
        (b'{"schema": 1, "findings": [{"code": "TLC001"}]}', "finding 1 has no text 'path'"),
        *(
            (
                b'{"schema": 1, "findings": [{"code": "A", "path": "b", "qualname": "", "subject": "", "count": %b}]}'
                % count,
                f"finding 1 has the count {shown}, which is no number from 1",
            )
            for count, shown in [(b"0", "0"), (b"true", "True"), (b'"2"', "'2'"), (b"1.5", "1.5"), (b"null", "None")]
        ),
    ],
)
@pytest.mark.parametrize("update", [[], ["--update-baseline"]])
def test_a_malformed_baseline_is_one_line(project: Project, content: bytes, said: str, update: list[str]) -> None:
    project.file("odd.json", content)
    ran = project.audit("--baseline=odd.json", *update)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("task-lifecycle: baseline odd.json: ")
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert (project.folder / "odd.json").read_bytes() == content


def test_a_missing_baseline(project: Project) -> None:
    ran = project.audit("--baseline=missing.json")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err == "task-lifecycle: baseline missing.json: no such file: --update-baseline writes it\n"


@pytest.mark.parametrize("name", [".", "no/folder/known.json"])
def test_a_baseline_that_cannot_be_written(project: Project, name: str) -> None:
    ran = project.audit(f"--baseline={name}", "--update-baseline")
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.startswith(f"task-lifecycle: baseline {name}: ")


def test_an_update_without_a_file_is_wrong_use(project: Project) -> None:
    with pytest.raises(SystemExit) as ended:
        project.audit("--update-baseline")
    assert ended.value.code == 2
