package sqlkit

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestReadMigrations(t *testing.T) {
	files := func(names ...string) fstest.MapFS {
		fsys := fstest.MapFS{"m/notes.txt": {Data: []byte("ignored")}}
		for _, name := range names {
			fsys["m/"+name] = &fstest.MapFile{Data: []byte("-- " + name)}
		}
		return fsys
	}
	tests := []struct {
		name  string
		files fstest.MapFS
		want  []Migration
		err   string
	}{
		{"two steps", files("0001_a.up.sql", "0001_a.down.sql", "0002_b_c.up.sql", "0002_b_c.down.sql"), []Migration{
			{1, "a", "-- 0001_a.up.sql", "-- 0001_a.down.sql"}, {2, "b_c", "-- 0002_b_c.up.sql", "-- 0002_b_c.down.sql"}}, ""},
		{"a hole", files("0001_a.up.sql", "0001_a.down.sql", "0003_c.up.sql", "0003_c.down.sql"), nil, "0003_c.up.sql is out of order: want version 2"},
		{"a number twice", files("0001_a.up.sql", "0001_a.down.sql", "0001_b.up.sql", "0001_b.down.sql"), nil, "want version 2"},
		{"no number", files("first.up.sql", "first.down.sql"), nil, "want version 1"},
		{"no way down", files("0001_a.up.sql"), nil, "0001_a.down.sql"},
		{"no folder", nil, nil, "m: file does not exist"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadMigrations(tt.files, "m")
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// A fake is a database that understands the statements of a schema.
type fake struct {
	since map[int]int // by version
	ran   []string    // first words of the scripts
}

var (
	inserts = regexp.MustCompile(`INSERT INTO v \(version, name, since\) VALUES \((\d+), '\w+', (\d+)\);`)
	deletes = regexp.MustCompile(`DELETE FROM v WHERE version = (\d+);`)
)

func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

func (f *fake) Exec(_ context.Context, script string) error {
	if strings.Contains(script, "fail") {
		return errors.New("failed")
	}
	if m := inserts.FindStringSubmatch(script); m != nil {
		f.since[number(m[1])] = number(m[2])
		script = script[:strings.Index(script, "\n")]
	}
	if m := deletes.FindStringSubmatch(script); m != nil {
		delete(f.since, number(m[1]))
		_, script, _ = strings.Cut(script, "\n\n")
	}
	f.ran = append(f.ran, script)
	return nil
}

func (f *fake) Row(_ context.Context, query string, into ...any) error {
	if query == "there?" {
		*into[0].(*bool) = len(f.since) > 0
		return nil
	}
	if !strings.HasSuffix(query, " FROM v") {
		return fmt.Errorf("asked %s", query)
	}
	for version, since := range f.since {
		v, s := into[0].(*int), into[1].(*int)
		*v, *s = max(*v, version), max(*s, since)
	}
	return nil
}

func TestSchemaMigrate(t *testing.T) {
	steps := []Migration{{1, "one", "up1", "down1"}, {2, "two", "up2", "down2"}, {3, "three", "up3", "down3"}}
	broken := slices.Clone(steps)
	broken[2].Up, broken[2].Down = "fail", "fail"
	tests := []struct {
		name  string
		since map[int]int // before
		steps []Migration
		to    int
		want  []string
		done  bool
		after map[int]int
		err   string
	}{
		{"all", nil, steps, 3, []string{"lock", "make", "up1", "up2", "up3"}, true, map[int]int{1: 1, 2: 1, 3: 2}, ""},
		{"some", nil, steps, 1, []string{"lock", "make", "up1"}, true, map[int]int{1: 1}, ""},
		{"the rest", map[int]int{1: 1}, steps, 3, []string{"lock", "make", "up2", "up3"}, true, map[int]int{1: 1, 2: 1, 3: 2}, ""},
		{"nothing to do", map[int]int{1: 1}, steps, 1, []string{"lock"}, false, map[int]int{1: 1}, ""},
		{"down", map[int]int{1: 1, 2: 1, 3: 2}, steps, 1, []string{"lock", "down3", "down2"}, true, map[int]int{1: 1}, ""},
		{"down to nothing", map[int]int{1: 1}, steps, 0, []string{"lock", "down1"}, true, map[int]int{}, ""},
		{"no such version", nil, steps, 4, nil, false, nil, "there is no version 4 of the schema; the newest is 3"},
		{"no version", nil, steps, -1, nil, false, nil, "there is no version -1"},
		{"newer", map[int]int{1: 1, 4: 4}, steps, 3, []string{"lock"}, false, map[int]int{1: 1, 4: 4}, "it has version 4 of the schema and this release knows 3"},
		{"newer, which this works with", map[int]int{1: 1, 4: 3}, steps, 3, []string{"lock"}, false, map[int]int{1: 1, 4: 3}, "newer release"},
		{"a step that fails", map[int]int{1: 1}, broken, 3, []string{"lock", "make", "up2"}, false, map[int]int{1: 1, 2: 1}, "up to version 3: failed"},
		{"a step back that fails", map[int]int{3: 2}, broken, 0, []string{"lock"}, false, map[int]int{3: 2}, "down from version 3: failed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &fake{since: map[int]int{}}
			for v, since := range tt.since {
				f.since[v] = since
			}
			s := Schema{Steps: tt.steps, Back: 1, Table: "v", Exists: "there?", Make: "make", Lock: "lock"}
			done, err := s.Migrate(t.Context(), f, tt.to)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
			if done != tt.done {
				t.Errorf("got done %v, want %v", done, tt.done)
			}
			if d := cmp.Diff(tt.want, f.ran); d != "" {
				t.Errorf("what it ran (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.after, f.since); tt.after != nil && d != "" {
				t.Errorf("what is recorded (-want +got):\n%s", d)
			}
		})
	}
}

// A program works with the versions of newer releases that say so.
func TestSchemaVersion(t *testing.T) {
	s := Schema{Steps: make([]Migration, 3), Table: "v", Exists: "there?"}
	tests := []struct {
		name  string
		since map[int]int
		want  int
		newer bool
	}{
		{"no tables", nil, 0, false},
		{"older", map[int]int{1: 1, 2: 1}, 2, false},
		{"this one", map[int]int{1: 1, 3: 2}, 3, false},
		{"newer, which works with this one", map[int]int{3: 2, 4: 3}, 4, false},
		{"newer", map[int]int{3: 2, 4: 3, 5: 4}, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := s.Version(t.Context(), &fake{since: tt.since})
			if got != tt.want || errors.Is(err, ErrNewer) != tt.newer || err != nil && !tt.newer {
				t.Errorf("got version %d, %v; want %d, newer %v", got, err, tt.want, tt.newer)
			}
		})
	}
}

// Names are data: none ends a statement.
func TestNamesInStatements(t *testing.T) {
	s := Postgres(`a"b'c`, nil)
	if got, want := s.Table, `"a""b'c".migrations`; got != want {
		t.Errorf("got table %s, want %s", got, want)
	}
	if want := `'a"b''c'`; !strings.Contains(s.Exists, want) || !strings.Contains(s.Lock, want) {
		t.Errorf("got %s and %s, want %s in both", s.Exists, s.Lock, want)
	}
	if want := `nspname = ''a"b''''c''`; !strings.Contains(s.Make, want) || !strings.Contains(s.Make, `CREATE SCHEMA "a""b''c"`) {
		t.Errorf("got %s, want %s", s.Make, want)
	}
	if got, want := SQLite("it's", nil).Exists, `name = 'it''s'`; !strings.HasSuffix(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}
