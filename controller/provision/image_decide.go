package provision

import (
	"time"

	"github.com/payperplay/payperplay/controller/cloud"
	"github.com/payperplay/payperplay/protocol"
)

// imageDo is what can be done for an image.
type imageDo string

// The steps.
const (
	imageNothing imageDo = ""
	imageSend    imageDo = "send"   // the order of the builder
	imageAdopt   imageDo = "adopt"  // the provider has the builder: write down which it is
	imageSee     imageDo = "see"    // the builder is on
	imageShoot   imageDo = "shoot"  // the builder has powered off: its disk is ready
	imageSnap    imageDo = "snap"   // ask for the snapshot
	imageName    imageDo = "name"   // the snapshot is there: write down which it is
	imageTaken   imageDo = "taken"  // the snapshot is complete
	imageGiveUp  imageDo = "giveup" // clean up, and fail
	imageWipe    imageDo = "wipe"   // delete the snapshots that were made for the row
	imageEnd     imageDo = "end"    // delete the builder
	imageDone    imageDo = "done"   // nothing is left to be done
)

const (
	// buildFor is how long a builder may take until it powers off, and then a snapshot until it is complete.
	buildFor = 20 * time.Minute
	// offAfter is from what age on a builder that nobody has seen running is taken to have run: every machine is off at first.
	offAfter = 5 * time.Minute
)

// imageLook is what the provider says of an image and its builder.
type imageLook struct {
	Look                  // of the builder
	Shown    bool         // the provider was asked about the snapshot now and has answered
	Shot     *cloud.Image // nil: it says that there is none
	ShotGone time.Time    // since when each answer has been that there is none
}

// shotAbsent tells whether the snapshot is confirmed not to be there.
func (l imageLook) shotAbsent(now time.Time) bool {
	return l.Shown && l.Shot == nil && !l.ShotGone.IsZero() && now.Sub(l.ShotGone) >= apart
}

// imageStep is one thing to do for an image now.
type imageStep struct {
	Do      imageDo
	Problem *protocol.Fault // of imageGiveUp
}

// decideImage is the rule for one image. It is asked again inside the transaction that acts. Pure.
func decideImage(i Image, l imageLook, now time.Time) imageStep {
	switch i.Phase {
	case ImageOrdering:
		return decideBuilder(i, l, now)
	case ImageBuilding:
		return decideBuild(i, l, now)
	case ImageSnapshotting:
		return decideSnapshot(i, l, now)
	case ImageCleaning:
		return imageStep{Do: decideCleaning(i, l, now)}
	case ImageDeleting:
		if !i.Wiped {
			return imageStep{Do: imageWipe}
		}
		return imageStep{Do: imageDone}
	case ImageReady, ImageFailed, ImageDeleted:
	}
	return imageStep{}
}

func decideBuilder(i Image, l imageLook, now time.Time) imageStep {
	over := i.Problem != nil || now.Sub(i.OrderedAt) > orderFor
	late := i.Problem
	if late == nil {
		late = tooLate(i.builder())
	}
	switch {
	case i.SentAt.IsZero() && over:
		return imageStep{imageGiveUp, late}
	case i.SentAt.IsZero():
		return imageStep{Do: imageSend}
	case !l.Asked:
		return imageStep{}
	case l.Found != nil && l.Found.Labels[cloud.LabelMachine] != label(i.ID):
		return imageStep{imageGiveUp, &protocol.Fault{Code: protocol.Conflict, Message: "a machine that is not ours has the name " + i.Name,
			Next: "look at it in the cloud's console: does another cluster use this project with the same id?"}}
	case l.Found != nil:
		return imageStep{Do: imageAdopt}
	case !l.absent(now), over && now.Sub(i.SentAt) < doubtful:
		return imageStep{}
	case over:
		return imageStep{imageGiveUp, late}
	default:
		return imageStep{Do: imageSend}
	}
}

func decideBuild(i Image, l imageLook, now time.Time) imageStep {
	switch {
	case l.absent(now):
		return imageStep{imageGiveUp, &protocol.Fault{Code: protocol.Unavailable, Message: "the builder is gone, and not by us", Next: "see in the cloud's console who deleted it, then build again"}}
	case l.Found != nil && l.Found.State == cloud.Off && (!i.SeenOn.IsZero() || now.Sub(i.Created) > offAfter):
		return imageStep{Do: imageShoot}
	case now.Sub(i.PhaseAt) >= buildFor:
		return imageStep{imageGiveUp, &protocol.Fault{Code: protocol.Timeout, Message: "the builder has not finished and powered off within " + buildFor.String() + ": " + buildHint(l.Look),
			Next: "build again and read its console in the cloud's web page (lines begin with payperplay:); it must reach this controller's --public-url, the distribution's packages and the registries of the game images"}}
	case l.Found != nil && l.Found.State == cloud.On && i.SeenOn.IsZero():
		return imageStep{Do: imageSee}
	}
	return imageStep{}
}

// buildHint guesses why a builder has not ended, from what its provider says of it.
func buildHint(l Look) string {
	switch {
	case l.Found == nil:
		return "the provider did not say how it is"
	case l.Found.State == cloud.Off:
		return "it was never on"
	case l.Found.State == cloud.Starting:
		return "the provider is still starting it"
	default:
		return "it is on: something on it failed, or took too long"
	}
}

func decideSnapshot(i Image, l imageLook, now time.Time) imageStep {
	switch {
	case i.SnapSent.IsZero():
		if now.Sub(i.PhaseAt) >= buildFor {
			return imageStep{imageGiveUp, snapshotLate()}
		}
		return imageStep{Do: imageSnap}
	case l.Shot != nil && l.Shot.Ready:
		return imageStep{Do: imageTaken}
	case l.Shot != nil && i.Image == "":
		return imageStep{Do: imageName}
	case now.Sub(i.PhaseAt) >= buildFor:
		return imageStep{imageGiveUp, snapshotLate()}
	case !l.Shown || l.Shot != nil:
		return imageStep{}
	case i.Image == "" && now.Sub(i.SnapSent) >= doubtful && l.shotAbsent(now):
		return imageStep{Do: imageSnap} // the answer was lost, and so was the question
	case i.Image != "" && l.shotAbsent(now):
		return imageStep{imageGiveUp, &protocol.Fault{Code: protocol.Unavailable, Message: "the snapshot is gone, and not by us", Next: "see in the cloud's console who deleted it, then build again"}}
	}
	return imageStep{}
}

func snapshotLate() *protocol.Fault {
	return &protocol.Fault{Code: protocol.Timeout, Message: "the provider has not completed the snapshot within " + buildFor.String(), Next: "see the provider's status page, then build again"}
}

func decideCleaning(i Image, l imageLook, now time.Time) imageDo {
	switch {
	case i.Problem != nil && i.Cloud != "" && !i.Wiped:
		return imageWipe
	case i.Cloud == "":
		return imageDone
	case i.EndSent.IsZero():
		return imageEnd
	case l.absent(now), l.Asked && l.Found == nil && now.Sub(i.Created) > young:
		return imageDone
	case l.Asked && l.Found != nil && l.Found.State != cloud.Leaving:
		return imageEnd
	}
	return imageNothing
}
