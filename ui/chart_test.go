package ui

import (
	"strconv"
	"testing"
	"time"

	"sotto/storage"
)

// TestChart: every column is within the picture, one upon the other, and in scale.
func TestChart(t *testing.T) {
	if drawHours([24]hourView{}) != nil {
		t.Error("a picture of nothing")
	}
	for _, most := range []int{1, 2, 3, 4, 7, 16, 150, 500} {
		var hours [24]hourView
		hours[3] = hourView{In: most}
		hours[12] = hourView{In: most / 3, Out: most / 3, Missed: most / 3}
		hours[23] = hourView{Missed: 1}
		v := drawHours(hours)
		num := func(s string) float64 {
			f, err := strconv.ParseFloat(s, 64)
			if err != nil {
				t.Error(err)
			}
			return f
		}
		if len(v.Hours) != 21 || len(v.Guides) != 4 || v.Hours[0].Hour != "03:00" {
			t.Fatalf("%d hours, %d guides", len(v.Hours), len(v.Guides))
		}
		for _, h := range v.Hours {
			for _, y := range []string{h.InY, h.OutY, h.MissedY} {
				if num(y) < chartTop-0.1 || num(y) > chartBase+1 {
					t.Errorf("%d at most: %s at %s", most, h.Hour, y)
				}
			}
			if d := num(h.InY) - num(h.OutY) - num(h.OutH); d > 0.11 || d < -0.11 || num(h.X)+num(h.Width) > chartRight {
				t.Errorf("columns apart by %v", d)
			}
		}
	}
}

func TestChartOnPage(t *testing.T) {
	r := owned(t)
	c := r.as(r.account(storage.Admin))
	day := time.Now().Add(-100 * time.Minute)
	if day.Day() != time.Now().Add(-98*time.Minute).Day() {
		t.Skip("midnight")
	}
	text := c.get("/calls?from=" + day.Format(time.DateOnly) + "&to=" + day.Format(time.DateOnly)).Body.String()
	contains(t, "chart", text, "The busiest hour was from", `class="v1"`, "<td class=\"r\">")
	checkMarkup(t, "chart", text)
	lacks(t, "chart", text, `class="v3" x`, "12345678")
	lacks(t, "another kind", c.get("/calls?kind=in").Body.String(), "busiest")
	lacks(t, "another day", c.get("/calls?from=2001-01-01&to=2001-01-01").Body.String(), "busiest")
}
