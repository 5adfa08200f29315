package provision

import (
	"context"
	"errors"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// snap asks for the snapshot. That it will be asked for is written before; if the answer is lost, the label tells whether it is there.
func (p *Provision) snap(ctx context.Context, i Image, l imageLook) error {
	sure := false
	err := p.changeImage(ctx, i.ID, l, imageSnap, func(_ store.Tx, row *Image, _ imageStep, now time.Time) error {
		row.SnapSent, sure = now, true
		i = *row
		return nil
	})
	if err != nil || !sure {
		return err
	}
	p.missing(shotKey(i.ID), false)
	call, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	shot, err := p.opts.Images.Snapshot(call, i.Cloud, "payperplay "+i.Arch+" "+i.ID, p.imageLabels(i, cloud.RoleImage))
	if err == nil {
		shot.Ready = false // it is read once more
		p.hold(i.ID, nil)
		return p.carryImage(ctx, i.ID, imageLook{Shown: true, Shot: &shot}, imageName)
	}
	p.hold(i.ID, err)
	kind := kindOf(err)
	p.log.WarnContext(ctx, "a snapshot was not taken", "image", i.ID, "machine", i.Name, "kind", kind, "error", err)
	if kind == cloud.Uncertain || kind == cloud.Exists {
		return nil
	}
	return p.opts.DB.Update(ctx, func(tx store.Tx) error {
		row, err2 := Images.Get(tx, i.ID)
		if err2 != nil || row.Phase != ImageSnapshotting || !row.SnapSent.Equal(i.SnapSent) {
			return err2
		}
		row.UpdatedAt = time.Now().UTC()
		row.SnapSent = time.Time{}
		if !cloud.Passing(err) {
			row.Problem = faultOf(err)
			row.enter(ImageCleaning, row.UpdatedAt)
		}
		return Images.Put(tx, row)
	})
}

// endBuilder tells the provider to delete the builder.
func (p *Provision) endBuilder(ctx context.Context, i Image, l imageLook) error {
	if i.EndSent.IsZero() {
		sure := false
		err := p.changeImage(ctx, i.ID, l, imageEnd, func(_ store.Tx, row *Image, _ imageStep, now time.Time) error {
			row.EndSent, sure = now, true
			return nil
		})
		if err != nil || !sure {
			return err
		}
	}
	err := p.delete(ctx, i.Cloud)
	if err == nil {
		p.hold(i.ID, nil)
		p.rest(i.ID, leaving)
		return nil
	}
	p.hold(i.ID, err)
	p.log.WarnContext(ctx, "the deletion of a builder is tried again", "image", i.ID, "machine", i.Name, "error", err)
	return p.hinder(ctx, i, err)
}

// hinder writes down what keeps the builder or a snapshot from being deleted, if somebody has to do something about it.
func (p *Provision) hinder(ctx context.Context, i Image, err error) error {
	if cloud.Passing(err) || asCloud(err) == nil {
		return nil
	}
	return p.opts.DB.Update(ctx, func(tx store.Tx) error {
		row, err2 := Images.Get(tx, i.ID)
		if err2 != nil || !row.Busy() || sameFault(row.Trouble, faultOf(err)) {
			return err2
		}
		row.Trouble, row.UpdatedAt = faultOf(err), time.Now().UTC()
		return Images.Put(tx, row)
	})
}

// wipe deletes each snapshot that was made for the row.
func (p *Provision) wipe(ctx context.Context, i Image, l imageLook) error {
	call, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	shots, err := p.shots(call, i)
	ids := []string{}
	if i.Image != "" {
		ids = append(ids, i.Image) // a list may lag behind
	}
	for _, s := range shots {
		if s.ID != i.Image {
			ids = append(ids, s.ID)
		}
	}
	for _, id := range ids {
		if e := p.opts.Images.DeleteImage(call, id); e != nil && kindOf(e) != cloud.NotFound {
			err = errors.Join(err, e)
		}
	}
	p.hold(i.ID, err)
	if err != nil {
		p.log.WarnContext(ctx, "the deletion of a snapshot is tried again", "image", i.ID, "error", err)
		return p.hinder(ctx, i, err)
	}
	return p.goOn(p.changeImage(ctx, i.ID, l, imageWipe, func(_ store.Tx, row *Image, _ imageStep, _ time.Time) error {
		row.Wiped = true
		return nil
	}))
}

// carryImage writes one step that needs rows only.
func (p *Provision) carryImage(ctx context.Context, id string, l imageLook, do imageDo) error {
	return p.goOn(p.changeImage(ctx, id, l, do, func(tx store.Tx, i *Image, s imageStep, now time.Time) error {
		switch do {
		case imageAdopt:
			i.Cloud, i.Created = l.Found.ID, l.Found.Created.UTC()
			if l.Found.Created.IsZero() {
				i.Created = now
			}
			if i.Problem != nil { // it was given up before anybody knew that it is there
				i.enter(ImageCleaning, now)
			} else {
				i.enter(ImageBuilding, now)
			}
		case imageSee:
			i.SeenOn = now
		case imageShoot:
			i.enter(ImageSnapshotting, now)
		case imageName, imageTaken:
			i.Image, i.Bytes = l.Shot.ID, l.Shot.Bytes
			if do == imageTaken {
				i.enter(ImageCleaning, now)
			}
		case imageGiveUp:
			i.Problem = s.Problem
			i.enter(ImageCleaning, now)
		case imageDone:
			return p.finishImage(tx, i, l, now)
		case imageNothing, imageSend, imageSnap, imageEnd, imageWipe:
			return errors.New("not a step of rows alone")
		}
		return nil
	}))
}

// goOn has the loop look again after what has worked; after an error it waits for its next round.
func (p *Provision) goOn(err error) error {
	if err == nil {
		p.kickImages.Kick()
	}
	return err
}

// finishImage ends a row that has nothing left to be done, and says what came of it.
func (p *Provision) finishImage(tx store.Tx, i *Image, l imageLook, now time.Time) error {
	i.Trouble = nil
	if i.Phase == ImageDeleting {
		i.EndedAt = now
		i.enter(ImageDeleted, now)
		return p.sayImage(tx, *i, "scaling.image_deleted", self, nil)
	}
	if i.GoneAt = now; !l.Missing.IsZero() {
		i.GoneAt = l.Missing.UTC()
	}
	data := map[string]any{"seconds": now.Sub(i.OrderedAt).Seconds()}
	if i.Problem == nil {
		i.ReadyAt = now
		i.enter(ImageReady, now)
		return p.sayImage(tx, *i, "scaling.image_ready", self, data)
	}
	i.EndedAt = now
	i.enter(ImageFailed, now)
	data["problem"], data["refused"] = i.Problem, i.Refused
	return p.sayImage(tx, *i, "scaling.image_failed", self, data)
}

// cancelled is why a build that somebody has ended comes to nothing.
func cancelled(actor string) *protocol.Fault {
	return &protocol.Fault{Code: protocol.Conflict, Message: "the build was ended by " + actor, Next: "build again when it is wanted"}
}
