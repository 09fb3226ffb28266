package main

import (
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"time"
)

const (
	// fillings is how often a run is begun at the most to find its number of rooms.
	fillings = 3
	roomsIn  = "rooms"
	triesFor = "tries"
	// What is told of a try that was not what it had to be: a core that is too busy
	// for a while makes a try late as well as one that does not count.
	rejectedCores, rejectedTail = "try %d: server cores", "try %d: added p99 ms"
	// asManyRooms stands in a row's name for a number of rooms that runs find.
	asManyRooms = "n"
)

// filling is rooms of one size, as many as keep the server's core about 70 % busy:
// what is measured of such a core is not to depend on how much time the machine has
// on that day.
type filling struct {
	call // how many rooms it is tried with at first
}

func (c *filling) name() string {
	fixed := c.call.name()
	return asManyRooms + fixed[len(fmt.Sprint(c.rooms)):]
}

// row measures it.
func (c *filling) row() row {
	return c.make(c.name(), func(ctx context.Context, s *settings, dir string) (figures, error) {
		return c.settle(ctx, dir, func(rooms int, dir string) (figures, error) {
			return c.with(rooms).run(ctx, s, dir)
		})
	})
}

// changed measures the same rooms, of which its own row has found the number, with
// something that is changed.
func (c *filling) changed(name string, change func(*meeting)) row {
	return c.make(name, func(ctx context.Context, s *settings, dir string) (figures, error) {
		rooms := c.rooms
		m := c.with(rooms)
		change(m)
		f, err := m.run(ctx, s, dir)
		if err == nil {
			f[roomsIn] = float64(rooms)
		}
		return f, err
	})
}

func (c *filling) make(name string, once func(context.Context, *settings, string) (figures, error)) row {
	const again = 1.2 // for runs with another number of rooms
	return row{section: delaySection, name: name, takes: time.Duration(again * float64(c.meeting().takes())), once: once}
}

// with is the meeting in so many rooms.
func (c *filling) with(rooms int) *meeting {
	of := c.call
	of.rooms = rooms
	return of.meeting()
}

// settle runs with another number of rooms as long as the core is not as busy as
// it has to be to judge delays, or something is left out, and what comes next begins
// with what it found. Of what it does not find the last run is what there is to tell.
func (c *filling) settle(ctx context.Context, dir string, run func(rooms int, dir string) (figures, error)) (figures, error) {
	const (
		middle  = (leastBusy + mostBusy) / 2
		tooBusy = 0.9 // of a core, where there is no telling
	)
	rejected := figures{}
	for try := 1; ; try++ {
		rooms, own := c.rooms, filepath.Join(dir, fmt.Sprint(try))
		if err := os.Mkdir(own, 0o700); err != nil {
			return nil, err
		}
		f, err := run(rooms, own)
		busy, cut := f["server cores"], f[shortOfVideo] > 100*tolerated
		if err == nil && busy <= 0 {
			err = fmt.Errorf("the server of %s was not seen to do anything", count(rooms, "room"))
		}
		if err != nil || cut {
			busy = max(busy, tooBusy)
		}
		next := max(1, int(math.Round(float64(rooms)*min(middle/busy, 2))))
		if err == nil && (leastBusy <= busy && busy <= mostBusy || next == rooms || try == fillings) {
			f[roomsIn], f[triesFor] = float64(rooms), float64(try)
			maps.Copy(f, rejected)
			f[loadEach] = 1000 * f["load cores"] / float64(rooms*c.call.people)
			return f, nil
		}
		if ctx.Err() != nil || try == fillings {
			return nil, err
		}
		why := fmt.Sprintf("the core was %.0f %% busy", 100*f["server cores"])
		switch {
		case err != nil:
			why = err.Error()
		case cut:
			why += " and something was left out"
		}
		if err == nil {
			rejected[fmt.Sprintf(rejectedCores, try)], rejected[fmt.Sprintf(rejectedTail, try)] = f["server cores"], f[lateTail]
		}
		fmt.Printf("  again with %s instead of %d: %s\n", count(next, "room"), rooms, why)
		c.rooms = next
	}
}

// alike says whether both are of as many rooms, if these had to be found.
func (e *entry) alike(o *entry) bool {
	mine, found := median(e.Runs, roomsIn)
	theirs, also := median(o.Runs, roomsIn)
	return found == also && math.Abs(mine-theirs) <= 0.05*theirs
}
