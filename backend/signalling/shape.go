package signalling

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Shape is what names are compared by. The zero value is like no other.
type Shape struct {
	same  string // equal for names that are read as the same
	alike string // equal for names that may be taken for each other
}

// ShapeOf returns the shape of a name. Its first part is NFKC without what shows
// nothing and with its case folded (UAX #31, NFKC_Casefold). Its second part is a
// skeleton of that after UTS #39.
func ShapeOf(name string) Shape {
	s := folded(name)
	s = strings.Map(func(r rune) rune {
		if showsNothing(r) {
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(folded(s)), " ")
	return Shape{same: s, alike: skeleton(s)}
}

// Same reports whether two names are read as the same.
func (s Shape) Same(other Shape) bool { return s.same != "" && s.same == other.same }

// Alike reports whether two names may be taken for each other. Names that are the
// same are alike.
func (s Shape) Alike(other Shape) bool { return s.alike != "" && s.alike == other.alike }

func folded(s string) string {
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s)))
}

func skeleton(s string) string {
	listed := listed()
	var b strings.Builder
	for _, r := range norm.NFD.String(s) {
		looks, ok := listed[r]
		if _, own := confusable[r]; own || !ok {
			looks = string(r)
		}
		for _, r := range looks {
			if to, ok := confusable[r]; ok {
				r = to
			}
			if '\u0300' <= r && r <= '\u036F' || unicode.In(r, unicode.Z, unicode.P, unicode.Sk) {
				continue
			}
			b.WriteRune(r)
		}
	}
	return strings.NewReplacer("rn", "m", "vv", "w").Replace(b.String())
}

//go:embed confusables.txt
var confusables string

// listed returns what letters look like, after Unicode's own list.
var listed = sync.OnceValue(func() map[rune]string {
	looks := make(map[rune]string)
	for line := range strings.Lines(confusables) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		letters := strings.Fields(line)
		var to strings.Builder
		for hex := range strings.SplitSeq(letters[0], "+") {
			to.WriteRune(letterOf(hex))
		}
		for _, hex := range letters[1:] {
			looks[letterOf(hex)] = to.String()
		}
	}
	return looks
})

// letterOf returns the letter of a hexadecimal number in the file.
func letterOf(hex string) rune {
	n, _ := strconv.ParseInt(hex, 16, 32) // a test reads all of the file
	return rune(n)
}

// confusable are letters that look like another when their case is folded, as far as
// people's keyboards and fonts have them. They go before Unicode's list. i, l, 1 and
// | are one, because a capital I and a small l are.
var confusable = func() map[rune]rune {
	pairs := map[rune]rune{}
	for _, set := range []string{
		"aаα", "bЬьв", "cсϲ", "dԁ", "eеєɛε", "gɡց", "hһнհ", "liіιı1|ӏǀ", "jјϳ", "kкκ", "mм", "nпηո", "oоοσо0օ",
		"pрρ", "qԛգ", "rгᴦ", "sѕ5", "tтτ", "uцυսս", "vѵν", "wѡԝωш", "xхχ", "yуγүу", "zᴢ2", "эз3",
	} {
		to := rune(0)
		for _, r := range set {
			if to == 0 {
				to = r
				continue
			}
			pairs[r] = to
		}
	}
	return pairs
}()

// Distinct returns name if it is read as none of the taken names, and otherwise
// name followed by the lowest number, from 2 on, that makes it so. It stays
// within the limits of a name.
func Distinct(name string, taken []string) string {
	shapes := make([]Shape, len(taken))
	for i, t := range taken {
		shapes[i] = ShapeOf(t)
	}
	free := func(name string) bool {
		shape := ShapeOf(name)
		for _, t := range shapes {
			if t.Same(shape) {
				return false
			}
		}
		return true
	}
	numbered := name
	for n := 2; !free(numbered); n++ {
		number := " (" + strconv.Itoa(n) + ")"
		base := name
		for base != "" && (Characters(base)+len(number) > MaxName || len(base)+len(number) > MaxNameBytes) {
			runes := []rune(base)
			base = CleanName(string(runes[:len(runes)-1]))
		}
		numbered = base + number
	}
	return numbered
}
