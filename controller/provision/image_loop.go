package provision

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
)

// watchEvery is how often the provider is asked about a builder or a snapshot that takes its time.
const watchEvery = 10 * time.Second

// tendImages is one run of the images' loop: read, decide, act. What fails for one image is logged and tried again later. In recovery mode
// nothing is done: the store may be older than what was built.
func (p *Provision) tendImages(ctx context.Context) error {
	defer pause(ctx, time.Now())
	var rows []Image
	err := p.opts.DB.View(ctx, func(tx store.Tx) error {
		rows = nil
		if _, frozen, err := inRecovery(tx); err != nil || frozen {
			return err
		}
		for i, err := range Images.Match(tx, "busy", true, "", 0, false) {
			if err != nil {
				return err
			}
			rows = append(rows, i)
		}
		return nil
	})
	for _, i := range rows {
		if ctx.Err() != nil {
			break
		}
		if err := p.oneImage(ctx, i); err != nil && ctx.Err() == nil {
			p.log.ErrorContext(ctx, "a step of an image failed", "image", i.ID, "phase", i.Phase, "error", err)
		}
	}
	return err
}

// oneImage looks after one, without panics.
func (p *Provision) oneImage(ctx context.Context, i Image) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	if p.held(i.ID, time.Now()) {
		return nil
	}
	l := p.lookAtImage(ctx, i)
	if ctx.Err() != nil {
		return nil
	}
	switch step := decideImage(i, l, time.Now()); step.Do {
	case imageNothing:
		if i.Phase == ImageBuilding || i.Phase == ImageSnapshotting {
			p.rest(i.ID, watchEvery)
		}
		return nil
	case imageSend:
		return p.sendBuilder(ctx, i, l)
	case imageSnap:
		return p.snap(ctx, i, l)
	case imageEnd:
		return p.endBuilder(ctx, i, l)
	case imageWipe:
		return p.wipe(ctx, i, l)
	case imageAdopt, imageSee, imageShoot, imageName, imageTaken, imageGiveUp, imageDone:
		return p.carryImage(ctx, i.ID, l, step.Do)
	default:
		return fmt.Errorf("step %q is not known", step.Do)
	}
}

// lookAtImage asks the provider what the next decision needs.
func (p *Provision) lookAtImage(ctx context.Context, i Image) imageLook {
	var l imageLook
	byID := func(ctx context.Context) (cloud.Machine, error) { return p.opts.Cloud.Get(ctx, i.Cloud) }
	switch {
	case i.Phase == ImageOrdering && !i.SentAt.IsZero():
		p.ask(ctx, i.builder(), &l.Look, func(ctx context.Context) (cloud.Machine, error) { return p.opts.Cloud.ByName(ctx, i.Name) })
	case i.Phase == ImageBuilding, i.Phase == ImageCleaning && !i.EndSent.IsZero():
		p.ask(ctx, i.builder(), &l.Look, byID)
	case i.Phase == ImageSnapshotting && !i.SnapSent.IsZero():
		p.askForShot(ctx, i, &l)
	}
	return l
}

// askForShot asks about the snapshot: by its id, or while that is not known by the label it carries.
func (p *Provision) askForShot(ctx context.Context, i Image, l *imageLook) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var err error
	if i.Image != "" {
		var shot cloud.Image
		if shot, err = p.opts.Images.Image(ctx, i.Image); err == nil {
			l.Shot = &shot
		}
	} else {
		var shots []cloud.Image
		if shots, err = p.shots(ctx, i); len(shots) > 0 {
			l.Shot = &shots[0]
		}
	}
	if err != nil && kindOf(err) != cloud.NotFound {
		p.hold(i.ID, err)
		return
	}
	l.Shown, l.ShotGone = true, p.missing(shotKey(i.ID), l.Shot == nil)
}

// shotKey is what the loop remembers a row's snapshot by; the row's own id is for the builder.
func shotKey(id string) string { return id + "/snapshot" }

// shots lists the snapshots that were made for a row: more than one if an answer was lost for long. Complete ones come first.
func (p *Provision) shots(ctx context.Context, i Image) (out []cloud.Image, err error) {
	all, err := p.opts.Images.Images(ctx)
	for _, s := range all {
		if s.Labels[cloud.LabelMachine] == label(i.ID) && cloud.Ours(s.Labels, p.opts.Cluster) {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b cloud.Image) int {
		switch {
		case a.Ready == b.Ready:
			return 0
		case a.Ready:
			return -1
		}
		return 1
	})
	return out, err
}

// changeImage decides again inside a transaction and, if that is still do, lets act write the row.
func (p *Provision) changeImage(ctx context.Context, id string, l imageLook, do imageDo, act func(tx store.Tx, i *Image, s imageStep, now time.Time) error) error {
	busy := true
	err := p.opts.DB.Update(ctx, func(tx store.Tx) error {
		now := time.Now().UTC()
		i, err := Images.Get(tx, id)
		if err != nil {
			return err
		}
		_, frozen, err := inRecovery(tx)
		if err != nil {
			return err
		}
		s := decideImage(i, l, now)
		if s.Do != do || frozen {
			return errChanged
		}
		if err := act(tx, &i, s, now); err != nil {
			return err
		}
		i.UpdatedAt, busy = now, i.Busy()
		return Images.Put(tx, i)
	})
	if errors.Is(err, errChanged) || fault.KindOf(err) == fault.NotFound {
		p.kickImages.Kick() // look again
		return nil
	}
	if err == nil && !busy {
		p.forgetImage(id)
	}
	return err
}

// forgetImage drops what is remembered of an image that has no step left.
func (p *Provision) forgetImage(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pace, id)
	delete(p.pace, shotKey(id))
}
