package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"
)

const (
	// fillings is how often a run is begun at the most to find its number of rooms.
	fillings = 3
	roomsIn  = "rooms"
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

// row measures it, as change says.
func (c *filling) row(name string, change func(*meeting)) row {
	const again = 1.2 // for runs with another number of rooms
	m := c.meeting()
	return row{section: delaySection, name: name, takes: time.Duration(again * float64(m.takes())), once: func(ctx context.Context, s *settings, dir string) (figures, error) {
		return c.settle(dir, func(rooms int, dir string) (figures, error) {
			with := c.call
			with.rooms = rooms
			m := with.meeting()
			change(m)
			return m.run(ctx, s, dir)
		})
	}}
}

// settle runs with another number of rooms as long as the core is not as busy as
// it has to be to judge delays, and what comes next begins with what it found. Of
// what it does not find the last run is what there is to tell.
func (c *filling) settle(dir string, run func(rooms int, dir string) (figures, error)) (f figures, err error) {
	for try := range fillings {
		rooms := c.rooms
		own := filepath.Join(dir, fmt.Sprint(try))
		if err = os.Mkdir(own, 0o700); err != nil {
			return nil, err
		}
		if f, err = run(rooms, own); err != nil {
			return nil, err
		}
		f[roomsIn] = float64(rooms)
		busy := f["server cores"]
		if busy <= 0 {
			return nil, fmt.Errorf("the server of %d rooms was not seen to do anything", rooms)
		}
		const middle = (leastBusy + mostBusy) / 2
		next := max(1, int(math.Round(float64(rooms)*min(middle/busy, 2))))
		if leastBusy <= busy && busy <= mostBusy || next == rooms {
			return f, nil
		}
		c.rooms = next
	}
	return f, nil
}
