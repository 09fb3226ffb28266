package alloc

import (
	"cmp"
	"math"
	"slices"
)

// Demand is what all receivers together want of one source: the greatest
// height that any of them does. The sender is told about it. The zero value
// is no demand.
type Demand struct {
	wanted []want // descending by height
}

// want counts the receivers that want the same height.
type want struct {
	height    int // math.MaxInt for Unlimited
	receivers int
}

// Change says that one receiver that wanted height before wants another now;
// 0 is nothing, before as after. It returns the height the sender must know
// of, Unlimited or 0 and more, and whether that is another than before.
func (d *Demand) Change(before, now int) (height int, changed bool) {
	old := d.Height()
	d.add(now, 1)
	d.add(before, -1)
	height = d.Height()
	return height, height != old
}

// Height returns the greatest height anybody wants: Unlimited, or 0 and more.
func (d *Demand) Height() int {
	switch {
	case len(d.wanted) == 0:
		return 0
	case d.wanted[0].height == math.MaxInt:
		return Unlimited
	}
	return d.wanted[0].height
}

func (d *Demand) add(height, receivers int) {
	switch {
	case height == 0:
		return
	case height < 0:
		height = math.MaxInt
	}
	i, found := slices.BinarySearchFunc(d.wanted, height, func(w want, h int) int {
		return cmp.Compare(h, w.height) // descending
	})
	if !found {
		d.wanted = slices.Insert(d.wanted, i, want{height: height})
	}
	d.wanted[i].receivers += receivers
	if d.wanted[i].receivers <= 0 {
		d.wanted = slices.Delete(d.wanted, i, i+1)
	}
}
