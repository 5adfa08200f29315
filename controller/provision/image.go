package provision

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/controller/event"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/fleet"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/protocol"
)

// ImagePhase is where an image is on its way from the request to its end.
type ImagePhase string

// The phases, in their order. Its builder is a machine that costs money until ImageReady or ImageFailed.
const (
	ImageOrdering     ImagePhase = "ordering"     // the row is written; the provider may or may not have heard of the builder
	ImageBuilding     ImagePhase = "building"     // the builder installs, cleans itself and powers off: then its disk is ready
	ImageSnapshotting ImagePhase = "snapshotting" // the provider copies the disk
	ImageCleaning     ImagePhase = "cleaning"     // the builder is deleted, and after a failure what there is of the image
	ImageReady        ImagePhase = "ready"        // machines can boot from it
	ImageFailed       ImagePhase = "failed"       // nothing is left of it at the provider
	ImageDeleting     ImagePhase = "deleting"     // decided for good
	ImageDeleted      ImagePhase = "deleted"
)

// ImagePrefix begins the id of every image.
const ImagePrefix = "img_"

// Image is a snapshot that machines boot from, and the machine that it is made with.
type Image struct {
	ID    string   `json:"id"`                 // "img_…"
	Image string   `json:"image,omitempty"`    // the provider's id of the snapshot
	Name  string   `json:"name"`               // of the builder; it follows from ID
	Cloud string   `json:"cloud_id,omitempty"` // the provider's id of the builder
	Arch  string   `json:"arch"`
	Type  string   `json:"type"` // of the builder
	At    string   `json:"location"`
	Base  string   `json:"base"`            // what the builder boots from
	Games []string `json:"games,omitempty"` // container images that are pulled
	Bytes int64    `json:"bytes,omitempty"`
	Disk  int64    `json:"disk_bytes"` // of the builder: a machine that boots from the image needs as much

	Hourly  fleet.MicroEuro `json:"hourly"`
	Monthly fleet.MicroEuro `json:"monthly"`

	Phase   ImagePhase      `json:"phase"`
	PhaseAt time.Time       `json:"phase_at"`
	By      string          `json:"by"`                // actor
	Problem *protocol.Fault `json:"problem,omitempty"` // why it is given up
	Others  []Candidate     `json:"others,omitempty"`  // asked for in turn
	Refused []Refusal       `json:"refused,omitempty"`
	Doubt   bool            `json:"doubt,omitempty"`   // the answer to an order was lost at least once
	Trouble *protocol.Fault `json:"trouble,omitempty"` // what keeps something of it from being deleted
	Wiped   bool            `json:"wiped,omitempty"`   // the provider was told to delete each snapshot that was made for the row

	OrderedAt time.Time `json:"ordered_at"`
	SentAt    time.Time `json:"sent_at,omitzero"`   // the order of the builder went out then, and may have arrived
	Created   time.Time `json:"created,omitzero"`   // the builder, by the provider's clock
	SeenOn    time.Time `json:"seen_on,omitzero"`   // the builder was on
	SnapSent  time.Time `json:"snap_sent,omitzero"` // the snapshot was asked for then, and may be there
	EndSent   time.Time `json:"end_sent,omitzero"`  // the provider was first told to delete the builder then
	GoneAt    time.Time `json:"gone_at,omitzero"`   // the builder costs nothing any more
	ReadyAt   time.Time `json:"ready_at,omitzero"`
	EndedAt   time.Time `json:"ended_at,omitzero"` // failed or deleted
	UpdatedAt time.Time `json:"updated_at"`
}

// Images is the table of them. A builder is no row of Machines: nothing is ever placed on it.
var Images = store.Table[Image]{
	Name: "images",
	Key:  func(i Image) string { return i.ID },
	Indexes: []store.Index[Image]{
		store.Bool("busy", Image.Busy).When(Image.Busy),
		store.Time("gone", func(i Image) time.Time { return i.GoneAt }).When(func(i Image) bool { return !i.GoneAt.IsZero() }),
		store.Time("ended", func(i Image) time.Time { return i.EndedAt }).When(func(i Image) bool { return !i.EndedAt.IsZero() }),
	},
}

// ImageSettings is what the settings say of images.
type ImageSettings struct {
	Base string   // what a builder boots from
	Used []string // what machines boot from: these are not deleted
}

// Busy tells whether there is something left to do for it.
func (i Image) Busy() bool {
	switch i.Phase {
	case ImageOrdering, ImageBuilding, ImageSnapshotting, ImageCleaning, ImageDeleting:
		return true
	case ImageReady, ImageFailed, ImageDeleted:
	}
	return false
}

// builder is the machine that it is made with, as the caps and the sum of the day count it.
func (i Image) builder() Machine {
	m := Machine{
		ID: i.ID, Name: i.Name, Role: cloud.RoleBuilder, Type: i.Type, At: i.At, Arch: i.Arch, Hourly: i.Hourly, Monthly: i.Monthly,
		CloudID: i.Cloud, OrderedAt: i.OrderedAt, Created: i.Created, DeletedAt: i.GoneAt, Phase: Booting,
	}
	if !i.GoneAt.IsZero() {
		m.Phase = Gone
	}
	return m
}

// ReadCosts gives ReadMachines and the builders of images among them (cloud.RoleBuilder): everything that costs, for sums and caps. What
// decides about machines reads ReadMachines.
func ReadCosts(tx store.Tx, since time.Time) ([]Machine, error) {
	out, err := ReadMachines(tx, since)
	if err != nil {
		return nil, err
	}
	more, err := readBuilders(tx, since)
	return append(out, more...), err
}

// readBuilders gives the builders that cost or may cost, and those that are gone since a moment.
func readBuilders(tx store.Tx, since time.Time) (out []Machine, err error) {
	for i, err := range Images.Match(tx, "busy", true, "", 0, false) {
		if err != nil {
			return nil, err
		}
		if i.GoneAt.IsZero() {
			out = append(out, i.builder())
		}
	}
	for i, err := range Images.Range(tx, "gone", since, nil, 0, false) {
		if err != nil {
			return nil, err
		}
		out = append(out, i.builder())
	}
	return out, nil
}

// FindImage reads one by its id or the provider's. Kinds: not_found.
func FindImage(tx store.Tx, id string) (Image, error) {
	if strings.HasPrefix(id, ImagePrefix) {
		i, err := Images.Get(tx, id)
		if err == nil || !errors.Is(err, store.ErrNotFound) {
			return i, err
		}
	}
	for i, err := range Images.Range(tx, "", nil, nil, 0, false) {
		if err != nil || i.Image == id && id != "" {
			return i, err
		}
	}
	return Image{}, fault.New(fault.NotFound, fmt.Sprintf("there is no image %q", id), "see `controller cloud image list`")
}

// Images gives them in the order of their ids; with ended also those that failed or were deleted and whose rows are still there.
func (p *Provision) Images(ctx context.Context, ended bool) (out []Image, err error) {
	err = p.opts.DB.View(ctx, func(tx store.Tx) error {
		out = nil
		for i, err := range Images.Range(tx, "", nil, nil, 0, false) {
			if err != nil {
				return err
			}
			if ended || i.Phase != ImageDeleted {
				out = append(out, i)
			}
		}
		return nil
	})
	return out, err
}

// Image gives one by its id or the provider's. Kinds: not_found.
func (p *Provision) Image(ctx context.Context, id string) (i Image, err error) {
	err = p.opts.DB.View(ctx, func(tx store.Tx) error {
		i, err = FindImage(tx, id)
		return err
	})
	return i, err
}

// TrimImages deletes at most most rows of images that have failed or were deleted 40 days ago, and says how many.
func TrimImages(tx store.Tx, now time.Time, most int) (int, error) {
	var dead []string
	for i, err := range Images.Range(tx, "ended", nil, now.Add(-goneKeep), most, false) {
		if err != nil {
			return 0, err
		}
		dead = append(dead, i.ID)
	}
	for _, id := range dead {
		if err := Images.Delete(tx, id); err != nil {
			return 0, err
		}
	}
	return len(dead), nil
}

// Explain says in plain words what becomes of it. Pure.
func (i Image) Explain() string {
	switch i.Phase {
	case ImageOrdering:
		return "the machine that builds it is ordered"
	case ImageBuilding:
		return "its builder installs Docker, the agent and " + fmt.Sprint(len(i.Games)) + " game images, and powers off by " + i.PhaseAt.Add(buildFor).UTC().Format("15:04 UTC")
	case ImageSnapshotting:
		return "the provider copies the builder's disk"
	case ImageCleaning:
		return "the builder is deleted"
	case ImageReady:
		return "machines of " + i.Arch + " with at least " + protocol.FormatSize(i.Disk) + " of disk can boot from it"
	case ImageFailed:
		return "nothing came of it, and nothing of it is left"
	case ImageDeleting:
		return "it is being deleted"
	case ImageDeleted:
		return "it is deleted"
	}
	return string(i.Phase)
}

// builderName is the builder's name at the provider. It follows from the row alone, as a machine's does.
func builderName(cluster, id string) string {
	return machineName(cluster, "img-"+strings.TrimPrefix(id, ImagePrefix))
}

// imageLabels are what the builder and the snapshot carry.
func (p *Provision) imageLabels(i Image, role cloud.Role) map[string]string {
	return p.labels(Machine{ID: i.ID, Role: role})
}

func (i *Image) enter(ph ImagePhase, now time.Time) { i.Phase, i.PhaseAt = ph, now }

// take makes the row ask for an offer.
func (i *Image) take(c Candidate) {
	i.Type, i.At, i.Arch, i.Base, i.Disk, i.Hourly, i.Monthly = c.Type, c.Location, c.Arch, c.Image, c.Size.DiskBytes, c.Hourly, c.Monthly
}

// sayImage appends an event about an image in the transaction of the change.
func (p *Provision) sayImage(tx store.Tx, i Image, kind, actor string, data map[string]any) error {
	all := map[string]any{"image": i.ID, "snapshot": i.Image, "name": i.Name, "arch": i.Arch, "type": i.Type, "location": i.At, "hourly": i.Hourly}
	for k, v := range data {
		all[k] = v
	}
	_, err := p.opts.Events.Append(tx, event.Event{Type: kind, Actor: actor, Data: event.JSON(all)})
	return err
}
