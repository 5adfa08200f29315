package provision

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
)

// Wish says what image is wanted.
type Wish struct {
	Arch     string // GOARCH; "" = amd64, or what Type has
	Type     string // of the builder; "" = the one with the smallest disk, since machines need as much; then the cheapest
	Location string // "" = any
	Games    []string
}

// maxGames bounds the container images in one image: each makes it larger, and its boot slower.
const maxGames = 16

var gameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}$`)

func (w *Wish) validate() error {
	if w.Arch != "" && w.Arch != "amd64" && w.Arch != "arm64" {
		return fault.New(fault.Invalid, fmt.Sprintf("%q is no architecture of a machine", w.Arch), "use amd64 or arm64")
	}
	if len(w.Games) > maxGames {
		return fault.New(fault.Invalid, fmt.Sprintf("%d game images are named", len(w.Games)), fmt.Sprintf("name at most %d: nodes pull the others when they need them", maxGames))
	}
	for _, g := range w.Games {
		if !gameForm.MatchString(g) {
			return fault.New(fault.Invalid, fmt.Sprintf("%q is no container image", g), "name it as itzg/minecraft-server:java21")
		}
	}
	return nil
}

// noImages is the answer of what needs a cloud that keeps images.
func (p *Provision) noImages(what string) error {
	if p.opts.Cloud == nil {
		return errNoCloud(what)
	}
	if p.opts.Images == nil {
		return fault.New(fault.Precondition, what+": this cloud keeps no images", "machines boot from the provider's own (SCALING_IMAGE)")
	}
	return nil
}

// Catalogue is what can be rented, with prices and stock. Kinds: precondition (no cloud), unavailable.
func (p *Provision) Catalogue(ctx context.Context) (cloud.Catalogue, error) {
	if p.opts.Market == nil {
		return cloud.Catalogue{}, errNoCloud("there are no prices")
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	c, err := p.opts.Market.Catalogue(ctx)
	if err != nil {
		return c, cloudFault(err)
	}
	return c, nil
}

// BuildImage writes down that an image is wanted, if the caps allow its builder, and returns; the loop does the rest.
// Kinds: invalid, exhausted (a cap, or nothing to build on), precondition (no cloud), conflict (one is being built, or recovery mode), unavailable.
func (p *Provision) BuildImage(ctx context.Context, actor string, w Wish) (Image, error) {
	const cannot = "no image can be built"
	if err := p.noImages(cannot); err != nil {
		return Image{}, err
	}
	if err := w.validate(); err != nil {
		return Image{}, err
	}
	c, err := p.Catalogue(ctx)
	if err != nil {
		return Image{}, err
	}
	now := time.Now().UTC()
	i := Image{ID: fleet.NewID(ImagePrefix), By: actor, Games: w.Games, OrderedAt: now, UpdatedAt: now}
	i.Name = builderName(p.opts.Cluster, i.ID)
	i.enter(ImageOrdering, now)
	err = p.opts.DB.Update(ctx, func(tx store.Tx) error {
		if _, frozen, err := inRecovery(tx); err != nil || frozen {
			return orFrozen(err, cannot)
		}
		set, err := p.opts.ImageSettings(tx)
		if err != nil {
			return err
		}
		offers, err := imageOffers(c, w, set.Base)
		if err != nil {
			return err
		}
		i.take(offers[0])
		i.Others = offers[1:]
		if _, err := p.builderData(i); err != nil {
			return err
		}
		for other, err := range Images.Match(tx, "busy", true, "", 0, false) {
			if err != nil {
				return err
			}
			if other.Arch == i.Arch && other.Phase != ImageDeleting {
				return fault.New(fault.Conflict, "image "+other.ID+" for "+i.Arch+" is being built", "wait for it (`controller cloud image list`), or end it with `controller cloud image delete "+other.ID+"`")
			}
		}
		if err := p.allowed(tx, "", i.Hourly, now); err != nil {
			return err
		}
		if err := Images.Put(tx, i); err != nil {
			return err
		}
		return p.sayImage(tx, i, "scaling.image_requested", actor, map[string]any{"games": i.Games})
	})
	if err != nil {
		return Image{}, err
	}
	p.kickImages.Kick()
	return i, nil
}

func orFrozen(err error, what string) error {
	if err != nil {
		return err
	}
	return errFrozen(what)
}

// DeleteImage has an image (by its id or the provider's) deleted; a build that is under way is ended. Deleting twice is no error.
// Kinds: not_found, precondition (no cloud), conflict (machines boot from it, or recovery mode).
func (p *Provision) DeleteImage(ctx context.Context, actor, id string) (Image, error) {
	const cannot = "no image can be deleted"
	if err := p.noImages(cannot); err != nil {
		return Image{}, err
	}
	var i Image
	err := p.opts.DB.Update(ctx, func(tx store.Tx) (err error) {
		if _, frozen, err := inRecovery(tx); err != nil || frozen {
			return orFrozen(err, cannot)
		}
		if i, err = FindImage(tx, id); err != nil || i.Phase == ImageDeleting || i.Phase == ImageDeleted {
			return err
		}
		if err := p.imageIsFree(tx, i); err != nil {
			return err
		}
		now := time.Now().UTC()
		i.UpdatedAt = now
		switch i.Phase {
		case ImageReady:
			i.enter(ImageDeleting, now)
		case ImageFailed:
			i.enter(ImageDeleted, now)
			err = p.sayImage(tx, i, "scaling.image_deleted", actor, nil)
		case ImageOrdering:
			if i.Problem == nil {
				i.Problem = cancelled(actor)
			}
		case ImageBuilding, ImageSnapshotting, ImageCleaning:
			if i.Problem == nil {
				i.Problem = cancelled(actor)
			}
			if i.Phase != ImageCleaning {
				i.enter(ImageCleaning, now)
			}
		case ImageDeleting, ImageDeleted:
		}
		if err != nil {
			return err
		}
		return Images.Put(tx, i)
	})
	p.kickImages.Kick()
	return i, err
}

// imageIsFree refuses when something is going to boot from an image.
func (p *Provision) imageIsFree(tx store.Tx, i Image) error {
	if i.Image == "" {
		return nil
	}
	set, err := p.opts.ImageSettings(tx)
	if err != nil {
		return err
	}
	if slices.Contains(set.Used, i.Image) {
		return fault.New(fault.Conflict, "the settings say that machines boot from image "+i.Image, "take it out of SCALING_SPARE_IMAGE (or SCALING_IMAGE), start the controller again, and delete it then")
	}
	for m, err := range Machines.Match(tx, "costs", true, "", 0, false) {
		if err != nil {
			return err
		}
		if m.Phase == Ordering && (m.Image == i.Image || slices.ContainsFunc(m.Others, func(c Candidate) bool { return c.Image == i.Image })) {
			return fault.New(fault.Conflict, "machine "+m.Name+" is ordered with image "+i.Image, "try again when it has booted (`controller machine list`)")
		}
	}
	return nil
}
