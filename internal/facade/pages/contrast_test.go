package pages

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestContrast holds the style sheet to what it promises, by the formula of WCAG 2.2.
func TestContrast(t *testing.T) {
	t.Parallel()
	sheet, err := embedded.ReadFile("assets/enrol.css")
	if err != nil {
		t.Fatal(err)
	}
	light, rest, found := strings.Cut(string(sheet), "@media screen and (prefers-color-scheme: dark)") //nolint:misspell // CSS spells it so.
	if !found {
		t.Fatal("the style sheet has no dark colours")
	}
	dark, _, _ := strings.Cut(rest, "*,")
	const forText, forEdges = 4.5, 3
	pairs := map[[2]string]float64{
		{"text", "card"}: forText, {"text", "back"}: forText,
		{"soft", "card"}: forText, {"soft", "back"}: forText,
		{"link", "card"}: forText, {"link", "back"}: forText,
		{"on-main", "main"}: forText, {"on-main", "main-over"}: forText,
		{"bad", "card"}: forText, {"bad", "bad-back"}: forText,
		{"good", "good-back"}: forText, {"warn", "warn-back"}: forText,
		{"field", "card"}: forEdges, {"field", "back"}: forEdges,
	}
	for scheme, text := range map[string]string{"light": light, "dark": dark} {
		colours := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`).FindAllStringSubmatch(text, -1) {
			colours[m[1]] = m[2]
		}
		for pair, least := range pairs {
			if got := contrast(t, colours[pair[0]], colours[pair[1]]); got < least {
				t.Errorf("%s: --%s on --%s has a contrast of %.2f, want %.1f", scheme, pair[0], pair[1], got, least)
			}
		}
	}
}

func contrast(t *testing.T, one, other string) float64 {
	t.Helper()
	a, b := luminance(t, one), luminance(t, other)
	return (max(a, b) + 0.05) / (min(a, b) + 0.05)
}

func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	rgb, err := strconv.ParseUint(colour, 16, 32)
	if err != nil {
		t.Fatalf("a colour is %q: %v", colour, err)
	}
	linear := func(shift uint) float64 {
		c := float64(rgb>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(16) + 0.7152*linear(8) + 0.0722*linear(0)
}
